import type { Figure, StrategyFigures } from '../figures.ts'
import { type Axis, barChart, colourOf, escapeText, lineChart, type Series } from './chart.ts'

/** What was simulated. */
export type Facts = Readonly<Record<string, string | number>>

const CURVE_POINTS = 200
const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; color: #222; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(480px, 1fr)); gap: 1em; }
svg { width: 100%; height: auto; border: 1px solid #ddd; background: #fff; }
svg text { font: 11px system-ui, sans-serif; fill: #333; }
svg .title { font-size: 14px; font-weight: 600; }
.grid { stroke: #e4e4e4; }
.key { display: inline-block; margin-right: 1.5em; }
.key i { display: inline-block; width: 1.1em; height: 0.8em; margin-right: 0.4em; }
table { border-collapse: collapse; } td, th { padding: 0.15em 0.8em; border-bottom: 1px solid #eee; text-align: right; }
td:first-child, th:first-child { text-align: left; }
`

/** The report as one HTML page that needs nothing else. */
export function reportPage(
  facts: Facts,
  rules: readonly StrategyFigures[],
  lines: readonly (readonly Figure[])[],
): string {
  const days = rules[0]?.exposures[0]?.usersByDay.length ?? 0
  const facing = Object.entries(facts).map(([name, value]) => `${name} ${value}`)
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Path choice, simulated</title><style>${STYLE}</style>
<h1>Path choice, simulated</h1>
<p>${escapeText(facing.join(', '))}. test/simulate/README.md has the assumptions and what each figure is.</p>
<p>${rules.map(({ title }, i) => `<span class="key"><i style="background:${colourOf(i)}"></i>${escapeText(title)}</span>`).join('')}</p>
<h2>Users that an adversary finds at both ends of a connection</h2>
<div class="charts">${exposureCharts(rules, days).join('')}</div>
<h2>Connections, and one site with bad neighbours</h2>
<div class="charts">${shareCharts(rules).join('')}</div>
<h2>Load, latency, exits</h2>
<div class="charts">${costCharts(rules).join('')}</div>
<h2>All figures</h2>
${figureTable(rules, lines)}
</html>
`
}

function exposureCharts(rules: readonly StrategyFigures[], days: number): string[] {
  const x: Axis = { label: 'days', from: 0, to: days, scale: 'linear' }
  /** The same for both kinds of adversary with one share, which stand side by side. */
  const most = (i: number): number => {
    const pair = [i - (i % 2), i - (i % 2) + 1]
    return Math.max(
      1,
      ...rules.flatMap(({ exposures }) => pair.map((at) => 100 * (exposures[at]?.usersByDay.at(-1) ?? 0))),
    )
  }
  return (rules[0]?.exposures ?? []).map(({ title }, i) =>
    lineChart({
      title: `Adversary with ${title}`,
      x,
      y: { label: 'users, %', from: 0, to: Math.min(100, most(i) * 1.1), scale: 'linear' },
      series: rules.map(({ title: name, exposures }): Series => {
        const shares = exposures[i]?.usersByDay ?? []
        return { name, points: [[0, 0], ...shares.map((share, day) => [day + 1, 100 * share] as const)] }
      }),
    }),
  )
}

function shareCharts(rules: readonly StrategyFigures[]): string[] {
  const names = rules.map(({ title }) => title)
  const connections = (rules[0]?.exposures ?? []).map(({ title }, i) => ({
    name: title,
    values: rules.map(({ exposures }) => 100 * (exposures[i]?.connectionShare ?? 0)),
  }))
  const ofHubs = connections.filter((_, i) => i % 2 === 0)
  const ofCapacity = connections.filter((_, i) => i % 2 === 1)
  return [
    barChart({ title: 'Connections with both ends bad, by number of hubs', unit: '%', groups: ofHubs, names }),
    barChart({ title: 'Connections with both ends bad, by capacity', unit: '%', groups: ofCapacity, names }),
    barChart({
      title: 'Users of a site, 1 % of hubs beside it are bad',
      unit: '%',
      groups: [
        { name: 'seen leaving to it', values: rules.map(({ targeted }) => 100 * targeted.exitSeen) },
        { name: 'seen at both ends', values: rules.map(({ targeted }) => 100 * targeted.bothSeen) },
      ],
      names,
    }),
    barChart({
      title: 'Connections of which one operator really runs both ends',
      unit: '%',
      groups: [{ name: 'home and exit', values: rules.map(({ sameOwnerShare }) => 100 * sameOwnerShare) }],
      names,
    }),
  ]
}

function costCharts(rules: readonly StrategyFigures[]): string[] {
  const percent: Axis = { label: 'share, %', from: 0, to: 100, scale: 'linear' }
  return [
    lineChart({
      title: 'Load of hubs against their capacity (1 is fair)',
      x: { ...percent, label: 'hubs, %' },
      y: { label: 'times the fair load', from: 0.01, to: 100, scale: 'log' },
      series: rules.map(({ title: name, loads }) => ({ name, points: quantileCurve(loads) })),
    }),
    lineChart({
      title: 'Round trip through the path against the direct one',
      x: { label: 'times as long', from: 0.5, to: 100, scale: 'log' },
      y: { ...percent, label: 'connections, %' },
      series: rules.map(({ title: name, stretches }) => ({
        name,
        points: quantileCurve(stretches).map(([share, value]) => [value, share] as const),
      })),
    }),
    barChart({
      title: 'Entropy',
      unit: 'bits',
      groups: [
        { name: 'exits of all connections', values: rules.map(({ exitEntropyBits }) => exitEntropyBits) },
        { name: 'users behind an exit', values: rules.map(({ userEntropyBits }) => userEntropyBits) },
      ],
      names: rules.map(({ title }) => title),
    }),
  ]
}

/** Percent of the sorted values that are at most so large, with the value. */
function quantileCurve(sorted: readonly number[]): (readonly [number, number])[] {
  return Array.from({ length: CURVE_POINTS + 1 }, (_, i) => {
    const value = sorted[Math.round((i / CURVE_POINTS) * (sorted.length - 1))] ?? 0
    return [(100 * i) / CURVE_POINTS, value] as const
  })
}

function figureTable(rules: readonly StrategyFigures[], lines: readonly (readonly Figure[])[]): string {
  const heads = rules.map(({ title }) => `<th>${escapeText(title)}</th>`).join('')
  const rows = (lines[0] ?? []).map(({ name, unit }, i) => {
    const cells = lines.map((of) => `<td>${escapeText(String(of[i]?.value ?? ''))}</td>`).join('')
    return `<tr><td>${escapeText(name.slice(name.indexOf('.') + 1))}</td>${cells}<td>${escapeText(unit)}</td></tr>`
  })
  return `<table><tr><th>figure</th>${heads}<th>unit</th></tr>${rows.join('')}</table>`
}
