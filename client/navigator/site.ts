/** Second-level labels of countries that hand out names below them are short: `co.uk`, `com.au`, `ne.jp`. */
const LONGEST_SHARED_LABEL = 3

/**
 * The site that a host name belongs to, by its last labels: `www.example.co.uk` is of `example.co.uk`. A guess without a
 * list of who hands out names; where it is wrong, two sites have one exit, and no more.
 */
export function siteOf(name: string): string {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.')
  const second = labels.at(-2) ?? ''
  const isShared = labels.length > 2 && (labels.at(-1) ?? '').length === 2 && second.length <= LONGEST_SHARED_LABEL
  return labels.slice(isShared ? -3 : -2).join('.')
}
