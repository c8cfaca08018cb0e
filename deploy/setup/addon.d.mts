/** The types of addon.mjs, which is plain JavaScript because it runs before the project's own Node is there. */
export function bringAddons(root: string): void
export function gypEnvironment(env: Record<string, string | undefined>): Record<string, string | undefined>
