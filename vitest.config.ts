import { defineConfig } from "vitest/config"

declare module "vitest" {
  export interface ProvidedContext {
    /** Whether a project's tests count for coverage, in scripts/coverage.mjs. */
    readonly covered?: boolean
  }
}

export default defineConfig({
  test: {
    // Test files share a worker: Effect is loaded once, not once per file.
    isolate: false,
    // One fewer than the machine's processors by default: a single one where there are two, with most tests waiting for sockets.
    maxWorkers: 2,
    // Payloads by the megabyte: with V8's own 16 MiB for what is young, a seventh of the time went to its collection.
    execArgv: ["--max-semi-space-size=64"],
    sequence: { concurrent: true },
    // For what hangs, and no bound on speed: tests run side by side, and a busy machine makes twenty seconds of one that takes two.
    testTimeout: 120_000,
    reporters: ["default", "./scripts/count-reporter.mjs"],
    projects: [
      {
        extends: true,
        root: "packages/core",
        test: { name: "core", include: ["test/**/*.test.ts"], provide: { covered: true } }
      },
      {
        extends: true,
        root: "packages/node",
        test: { name: "node", include: ["test/**/*.test.ts"], provide: { covered: true } }
      },
      { extends: true, root: "test", test: { name: "e2e", include: ["**/*.test.ts"] } },
      // The suite once more, over streams that split and delay. What has no stream under it would be the same again.
      {
        extends: true,
        root: "test",
        test: {
          name: "faulty",
          include: ["conformance/**/*.test.ts"],
          exclude: ["conformance/differential.test.ts"],
          // By default a part of what is about volume: where most pieces are a byte, the whole takes minutes.
          provide: {
            faulty: {
              seed: Number(process.env["FAULTY_SEED"] ?? 1),
              divisor: Number(process.env["FAULTY_DIVISOR"] ?? 128)
            }
          }
        }
      }
    ],
    coverage: {
      provider: "custom",
      customProviderModule: "./scripts/coverage.mjs",
      // Taken from the root of each project that asks for it.
      include: ["**/src/**/*.ts"],
      exclude: ["**/index.ts"],
      // No table: the last line of a run says how many tests there were. `pnpm coverage` prints it.
      reporter: ["lcov"],
      thresholds: {
        "packages/core/src/**": { 100: true },
        "packages/node/src/**": { branches: 95 }
      }
    }
  }
})
