/** A line of a chart: points in the order of x. */
export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Axis {
  readonly label: string
  readonly from: number
  readonly to: number
  readonly scale: 'linear' | 'log'
}

export interface LineChart {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
}

export interface BarChart {
  readonly title: string
  readonly unit: string
  /** Of each group its name, and a value for each name of `names`. */
  readonly groups: readonly { readonly name: string; readonly values: readonly number[] }[]
  readonly names: readonly string[]
}

/** One colour for each rule, in their order; told apart also by those who see few colours (Okabe and Ito). */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#000000'] as const
/** So that a line shows where another lies over it. */
const DASHES = ['none', '9 3', '4 4', 'none'] as const
const WIDTH = 560
const HEIGHT = 320
const LEFT = 62
const RIGHT = 16
const TOP = 34
const BOTTOM = 46
const TICKS = 5

export function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length] as string
}

export function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`)
}

/** Lines as SVG. A point outside the axes is drawn at their edge. */
export function lineChart({ title, x, y, series }: LineChart): string {
  const across = (value: number): number => LEFT + positionOn(x, value) * (WIDTH - LEFT - RIGHT)
  const up = (value: number): number => HEIGHT - BOTTOM - positionOn(y, value) * (HEIGHT - TOP - BOTTOM)
  const lines = series.map(({ points }, i) => {
    const path = points.map(([px, py]) => `${across(px).toFixed(1)},${up(py).toFixed(1)}`).join(' ')
    return `<polyline points="${path}" fill="none" stroke="${colourOf(i)}" stroke-width="2" stroke-dasharray="${DASHES[i % DASHES.length]}"/>`
  })
  const grid = [
    ...ticksOf(x).map((tick) => {
      const at = across(tick).toFixed(1)
      return `<line x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" class="grid"/>${text(at, HEIGHT - BOTTOM + 16, numberText(tick), 'middle')}`
    }),
    ...ticksOf(y).map((tick) => `${level(up(tick))}${text(LEFT - 6, up(tick) + 4, numberText(tick), 'end')}`),
  ]
  const label = `${text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x.label, 'middle')}${upright(y.label)}`
  return svg(title, [...grid, ...lines, label])
}

/** Groups of bars as SVG, each bar with its value. */
export function barChart({ title, unit, groups, names }: BarChart): string {
  const most = Math.max(...groups.flatMap(({ values }) => values), Number.MIN_VALUE)
  const y: Axis = { label: unit, from: 0, to: most * 1.1, scale: 'linear' }
  const up = (value: number): number => HEIGHT - BOTTOM - positionOn(y, value) * (HEIGHT - TOP - BOTTOM)
  const groupWidth = (WIDTH - LEFT - RIGHT) / groups.length
  const barWidth = (groupWidth * 0.84) / names.length
  const bars = groups.flatMap(({ name, values }, g) => [
    ...values.map((value, i) => {
      const left = LEFT + g * groupWidth + groupWidth * 0.08 + i * barWidth
      const height = (HEIGHT - BOTTOM - up(value)).toFixed(1)
      return (
        `<rect x="${left.toFixed(1)}" y="${up(value).toFixed(1)}" width="${(barWidth - 2).toFixed(1)}" height="${height}" fill="${colourOf(i)}"/>` +
        text(left + barWidth / 2 - 1, up(value) - 4, barText(value), 'middle')
      )
    }),
    text(LEFT + (g + 0.5) * groupWidth, HEIGHT - BOTTOM + 16, name, 'middle'),
  ])
  const grid = ticksOf(y).map((tick) => `${level(up(tick))}${text(LEFT - 6, up(tick) + 4, numberText(tick), 'end')}`)
  return svg(title, [...grid, ...bars, upright(unit)])
}

/** Where the value is on the axis, 0 to 1. */
function positionOn({ from, to, scale }: Axis, value: number): number {
  const within = Math.min(Math.max(value, from), to)
  return scale === 'linear' ? (within - from) / (to - from) : Math.log(within / from) / Math.log(to / from)
}

function ticksOf({ from, to, scale }: Axis): number[] {
  if (scale === 'log') {
    const first = Math.ceil(Math.log10(from) - 1e-9)
    const last = Math.floor(Math.log10(to) + 1e-9)
    return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
  }
  const rough = (to - from) / TICKS
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
  const first = Math.ceil(from / step - 1e-9)
  const last = Math.floor(to / step + 1e-9)
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step)
}

function numberText(value: number): string {
  return String(Number(value.toPrecision(3)))
}

/** Short enough to stand beside that of the next bar. */
function barText(value: number): string {
  return value > 0 && value < 0.01 ? '~0' : String(Number(value.toPrecision(2)))
}

function text(x: number | string, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escapeText(content)}</text>`
}

function level(y: number): string {
  return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" class="grid"/>`
}

function upright(label: string): string {
  const middle = (TOP + HEIGHT - BOTTOM) / 2
  return `<text transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${escapeText(label)}</text>`
}

function svg(title: string, parts: readonly string[]): string {
  const heading = `<text x="${LEFT}" y="18" class="title">${escapeText(title)}</text>`
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(title)}">${heading}${parts.join('')}</svg>`
}
