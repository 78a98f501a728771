/** What one does on a page, and sees there. */
import * as Effect from "effect/Effect"
import type { Page } from "playwright-core"

/** Clicks the button of that name. */
export const click = (page: Page, name: string) =>
  Effect.promise(() => page.getByRole("button", { name, exact: true }).click())

/** Waits until an element reads so. */
export const see = (page: Page, selector: string, text: string | RegExp) => {
  const hasText = typeof text === "string" ? new RegExp(`^${text.replaceAll(/[.?()]/g, "\\$&")}$`) : text
  const elements = page.locator(selector)
  return Effect.promise(async () => {
    try {
      await elements.filter({ hasText }).first().waitFor()
    } catch (cause) {
      throw new Error(`${selector} never read ${text}, but ${JSON.stringify(await elements.allInnerTexts())}`, {
        cause
      })
    }
  })
}
