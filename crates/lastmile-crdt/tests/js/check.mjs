// Opens every exported record in a folder with the official JavaScript Automerge and compares what it shows with the
// expectations beside it. Saves each document again as `<name>.resaved` for the Rust side to compare.
//
//   node check.mjs <folder>

import * as fs from "node:fs"
import * as path from "node:path"
import * as Automerge from "@automerge/automerge"

const folder = process.argv[2]
const names = fs.readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5)).sort()
let failures = 0
let conflicts = 0

function hex(bytes) {
  return Buffer.from(bytes).toString("hex")
}

// A value as the expectations write it: its type and its text.
function plain(value) {
  if (value === null) return "null"
  if (typeof value === "boolean") return `bool ${value}`
  if (typeof value === "number" || typeof value === "bigint") return `number ${value}`
  if (typeof value === "string") return `text ${value}`
  if (value instanceof Uint8Array) return `bytes ${hex(value)}`
  if (value instanceof Date) return `time ${value.getTime()}`
  if (value instanceof Automerge.Counter) return `counter ${value.value}`
  if (Automerge.isImmutableString(value)) return `text ${value.val}`
  return `unknown ${JSON.stringify(value)}`
}

function compare(name, what, found, expected) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)]
  if (one !== other) {
    failures += 1
    console.error(`${name}: ${what} is ${one} instead of ${other}`)
  }
}

// Keys sorted by code points on both sides; JavaScript's own order is by UTF-16 units.
function sorted(entries) {
  return Object.fromEntries([...entries].sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other))))
}

for (const name of names) {
  const expected = JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), "utf8"))
  const doc = Automerge.load(fs.readFileSync(path.join(folder, `${name}.automerge`)))
  const values = sorted(Object.entries(doc).map(([key, value]) => [key, plain(value)]))
  compare(name, "the record", values, expected.values)
  const standing = []
  for (const key of Object.keys(doc)) {
    const all = Automerge.getConflicts(doc, key)
    if (all !== undefined) {
      standing.push([key, sorted(Object.entries(all).map(([id, value]) => [id, plain(value)]))])
    }
  }
  conflicts += standing.length
  compare(name, "what conflicts", sorted(standing), expected.conflicts)
  const changes = Automerge.getAllChanges(doc)
  compare(name, "the number of changes", changes.length, expected.changes)
  if (expected.hashes) {
    compare(name, "the hashes", changes.map((change) => Automerge.decodeChange(change).hash).sort(), expected.hashes)
    compare(name, "the heads", [...Automerge.getHeads(doc)].sort(), expected.heads)
  }
  fs.writeFileSync(path.join(folder, `${name}.resaved`), Automerge.save(doc))
}

console.log(`${names.length} documents with ${conflicts} conflicts: ${failures} differences`)
process.exit(failures === 0 && names.length > 0 ? 0 : 1)
