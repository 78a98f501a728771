/** A value as a message shows it: an empty one would not be seen there. */
export const shown = (value: string): string => value === "" ? `""` : value
