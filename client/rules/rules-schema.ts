import { z } from 'zod'
import { MAX_HOPS } from '../../shared/cell/cell.ts'
import { PROFILE_NAMES } from '../navigator/profiles.ts'
import { isMistaken, type Mistaken } from './mistake.ts'
import { parseHubMatch } from './place-match.ts'
import type { Decision, Rule } from './rule.ts'
import {
  checkPorts,
  parsePorts,
  parseProtocol,
  parseRuleText,
  type RuleKind,
  verdictOf,
  verdictWords,
} from './rule-text.ts'
import { LIST_NAME, parseWhere } from './where.ts'
import { Wildcard } from './wildcard.ts'

/** Values that one option may have. */
export const MAX_VALUES = 256
/** List files in all. */
export const MAX_LISTS = 64
/** Letters of a rule or value. */
export const MAX_VALUE_CHARS = 512

const text = z.string('expected text').max(MAX_VALUE_CHARS, `expected at most ${MAX_VALUE_CHARS} letters`)

/** An object that has no other options than these, and says so. */
function options<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? `write one of ${known}` : `expected options: ${known}`),
  })
}

/** A text that one of the parsers reads. */
function parsed<T extends object>(parse: (text: string) => T | Mistaken, input: z.ZodType<string> = text) {
  return input.transform((value, context): T => {
    const read = parse(value)
    if (!isMistaken(read)) return read
    context.addIssue({ code: 'custom', message: read.mistake })
    return z.NEVER
  })
}

/** One value, or a list of some. */
function some<Value extends z.ZodType>(value: Value) {
  const list = z.array(value).min(1, 'expected at least one').max(MAX_VALUES, `expected at most ${MAX_VALUES}`)
  return z.preprocess((given) => (Array.isArray(given) ? given : [given]), list)
}

const protocol = parsed((value) => {
  const read = parseProtocol(value)
  return typeof read === 'string' ? { protocol: read } : read
})
const numberText = z.union([z.int().transform(String), text], 'expected a port, or a range like 6000-6100')
const hops = z
  .int(`expected 1 to ${MAX_HOPS} hops`)
  .min(1, `expected 1 to ${MAX_HOPS} hops`)
  .max(MAX_HOPS, `expected 1 to ${MAX_HOPS} hops`)

/** What a rule or a default decides. `wish` is only for what goes through the network. */
const decisionOptions = {
  verdict: text,
  hops: hops.optional(),
  profile: z.enum(PROFILE_NAMES, `expected one of ${PROFILE_NAMES.join(', ')}`).optional(),
  exit: some(parsed(parseHubMatch)).optional(),
  avoid: some(parsed(parseHubMatch)).optional(),
  trusted: z.boolean('expected true or false').optional(),
}

function decisionOf(
  { verdict: word, hops, profile, exit, avoid, trusted }: z.output<z.ZodObject<typeof decisionOptions>>,
  kind: RuleKind,
): Decision | Mistaken {
  const verdict = verdictOf(word, kind)
  if (verdict === undefined) return { mistake: `"${word}" is no verdict; write ${verdictWords(kind)}` }
  const wish = Object.fromEntries(
    Object.entries({ hops, profile, exit, avoid, trusted }).filter(([, value]) => value !== undefined),
  )
  if (hops !== undefined && profile !== undefined)
    return { mistake: 'a profile says how many hops; leave one of both out' }
  const [unused] = verdict === 'tunnel' ? [] : Object.keys(wish)
  return unused === undefined ? { verdict, wish } : { mistake: `${unused} is for verdict: tunnel only; leave it out` }
}

function longRule(kind: RuleKind) {
  const shape = {
    ...decisionOptions,
    to: some(parsed(parseWhere)).optional(),
    protocol: some(protocol).optional(),
    port: some(parsed(parsePorts, numberText)).optional(),
  }
  return options(shape).transform((given, context): Omit<Rule, 'line' | 'text'> => {
    const { to = [{ kind: 'any' } as const], protocol: protocols, port: ports } = given
    const decision = decisionOf(given, kind)
    const names = protocols?.map((one) => one.protocol)
    const mistaken = isMistaken(decision) ? decision : ports === undefined ? undefined : checkPorts(names)
    if (mistaken === undefined) return { ...(decision as Decision), to, protocols: names, ports }
    context.addIssue({ code: 'custom', message: mistaken.mistake })
    return z.NEVER
  })
}

/** A rule in one line, or with options. Undefined for a line without any. */
function anyRule(kind: RuleKind) {
  const short = parsed((value) => parseRuleText(value, kind))
  const long = longRule(kind)
  return z.unknown().transform((given, context): Omit<Rule, 'line'> | undefined => {
    if (typeof given === 'string') {
      if (/^\s*(#|$)/.test(given)) return undefined
      return pass(short.safeParse(given), context)
    }
    // `- - AS123` is a list in a list for YAML.
    if (Array.isArray(given)) {
      const rule = typeof given[0] === 'string' ? `- ${given[0]}` : '- AS123'
      context.addIssue({ code: 'custom', message: `a rule that begins with - needs quotes; write - "${rule}"` })
      return z.NEVER
    }
    return { ...pass(long.safeParse(given), context), text: shortText(given) }
  })
}

/** A rule with options in one line, as YAML also has it. */
function shortText(given: unknown): string {
  const json = JSON.stringify(given) ?? ''
  return json.length <= MAX_VALUE_CHARS ? json : `${json.slice(0, MAX_VALUE_CHARS)}…`
}

/** What another schema read, or its mistakes at their places. */
function pass<T>(result: z.ZodSafeParseResult<T>, context: z.core.$RefinementCtx): T {
  if (result.success) return result.data
  for (const issue of result.error.issues) context.issues.push({ ...issue, input: undefined } as never)
  return z.NEVER
}

/** A list, or a text with one rule to a line. */
function ruleList(kind: RuleKind) {
  return z.preprocess(
    (given) => (typeof given === 'string' ? given.split('\n') : (given ?? [])),
    z.array(anyRule(kind), 'expected a list of rules, or a text with one rule to a line'),
  )
}

function defaultOf(kind: RuleKind) {
  return z.preprocess(
    (given) => (typeof given === 'string' ? { verdict: given } : given),
    options(decisionOptions).transform((given, context): Decision => {
      const decision = decisionOf(given, kind)
      if (!isMistaken(decision)) return decision
      context.addIssue({ code: 'custom', message: decision.mistake })
      return z.NEVER
    }),
  )
}

const section = {
  /** For what goes out: apps' own first, then the global ones. */
  rules: ruleList('out').default([]),
  /** Where none fits. Global: tunnel; strict: block; of an app: the global one. */
  default: defaultOf('out').optional(),
  /** For what comes in. Ports are those of this computer. */
  incoming: ruleList('in').default([]),
  /** Where none fits: block. */
  incomingDefault: defaultOf('in').optional(),
}

const wildcards = some(text.min(1, 'expected a text').transform((value) => new Wildcard(value)))
const paths = some(
  text.regex(/^[/*]/, 'expected a whole path, like /usr/bin/curl or */curl').transform((value) => new Wildcard(value)),
)
const MAX_UID = 0xffff_fffe
const user = z.custom<number | string>(
  (given) =>
    typeof given === 'number'
      ? Number.isInteger(given) && given >= 0 && given <= MAX_UID
      : typeof given === 'string' && /^[^\s\d]\S{0,255}$/.test(given),
  'expected the number or the name of a user, like 1000 or alice',
)

/** Whose connections; all that is given must fit. */
const who = {
  /** Path of the executable. */
  app: paths.optional(),
  /** Path of the script that an interpreter runs. */
  script: paths.optional(),
  /** Unit of systemd. */
  unit: wildcards.optional(),
  container: wildcards.optional(),
  /** `flatpak:…`, `snap:…`, `appimage:…`. */
  tag: wildcards.optional(),
  user: some(user).optional(),
  /** Forwarded connections that came in by this interface. */
  interface: wildcards.optional(),
}
const WHO = Object.keys(who) as (keyof typeof who)[]

const appSection = options({ ...who, ...section }).superRefine((given, context) => {
  if (WHO.every((key) => given[key] === undefined))
    context.addIssue({ code: 'custom', message: `expected to say whose: ${WHO.join(', ')}` })
  if (given.interface !== undefined && WHO.some((key) => key !== 'interface' && given[key] !== undefined))
    context.addIssue({ code: 'custom', message: 'what is forwarded has no program here; write interface alone' })
})

/** The rules file. */
export const rulesSchema = z.preprocess(
  (given) => given ?? {},
  options({
    /** The first one that fits is the app's. */
    apps: z.preprocess((given) => given ?? [], z.array(appSection, 'expected a list of apps')).default([]),
    /** Before the global rules, for connections of which no program is known. */
    strict: options(section).optional(),
    global: options(section).optional(),
    /** List files by name; paths from the folder of the rules file. */
    lists: z
      .record(
        z.string(),
        z.string('expected the path of a file').min(1, 'expected the path of a file'),
        'expected names with paths, like ads: ads.txt',
      )
      .superRefine((lists, context) => {
        const message = 'expected a name of letters, digits, - and _'
        for (const name of Object.keys(lists))
          if (!LIST_NAME.test(name)) context.addIssue({ code: 'custom', path: [name], message })
      })
      .refine((lists) => Object.keys(lists).length <= MAX_LISTS, `expected at most ${MAX_LISTS} lists`)
      .default({}),
  }),
)

export type RulesContent = z.output<typeof rulesSchema>
export type SectionContent = Omit<RulesContent['apps'][number], (typeof WHO)[number]>
