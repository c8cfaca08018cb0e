import { type ReadList, readList } from '../../client/rules/destination-list.ts'
import { mistakeText } from '../../client/rules/mistake.ts'
import { readRules } from '../../client/rules/read-rules.ts'
import type { RuleBook } from '../../client/rules/rule.ts'
import { finish } from '../../client/rules/steps.ts'

/** The book of a rules file that has no mistakes. @throws Error with the mistakes */
export function rulesOfText(text: string): RuleBook {
  const { book, mistakes } = readRules(text, 'r.yaml')
  if (book !== undefined) return book
  throw new Error(mistakes.map(mistakeText).join('\n'))
}

/** A list file, all steps at once. */
export function readWholeList(text: string, file: string): ReadList {
  return finish(readList(text, file))
}
