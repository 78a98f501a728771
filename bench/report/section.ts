/** One part of the report, which one run can write anew without the others. */
export interface Section {
  /** Names it in the file, and puts it in its place: see `document.ts`. */
  readonly id: string
  readonly title: string
  /** Markdown. */
  readonly body: string
}
