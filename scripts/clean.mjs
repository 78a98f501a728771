import { globSync, rmSync } from "node:fs"

for (const path of globSync(["coverage", "test/doc-examples", "packages/*/{dist,coverage}", "node_modules/.cache"])) {
  rmSync(path, { recursive: true, force: true })
}
