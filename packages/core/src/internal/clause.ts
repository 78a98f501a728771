/** Where a rule stands: in a section of RFC 6455, or of another RFC, whose number is in front then. */
export const clause = (section: string): string => `RFC ${section.includes(" ") ? "" : "6455 "}${section}`
