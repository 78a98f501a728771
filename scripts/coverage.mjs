/**
 * V8's coverage in the packages' own projects only. Counters in every block make up to twice of the suite's large volumes, and
 * a package is to be covered by its own tests.
 */
import v8 from "@vitest/coverage-v8"
import { inject } from "vitest"

export default {
  ...v8,
  startCoverage: async (options) => inject("covered") && v8.startCoverage(options),
  takeCoverage: async (options) => (inject("covered") ? v8.takeCoverage(options) : undefined),
  stopCoverage: async (options) => inject("covered") && v8.stopCoverage(options)
}
