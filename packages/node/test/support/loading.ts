/** A process that loads a module, and says which others come with it, as JSON. */
import { registerHooks } from "node:module"

const loaded: Array<string> = []
registerHooks({
  load(url, context, next) {
    loaded.push(url)
    return next(url, context)
  }
})
await import(process.argv[2]!)
process.stdout.write(JSON.stringify(loaded))
