// What the one-line diagram says of power: never a dead line where nothing is known, never a live one behind an open switch.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import ts from "typescript";

const source = readFileSync(new URL("../src/oneline.ts", import.meta.url), "utf8");
const { outputText } = ts.transpileModule(source, { compilerOptions: { module: "ESNext", target: "ES2022" } });
const { diagram, powered } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`);

const machine = (id, kind, ...fed_by) => ({ id, kind, fed_by });
const site = [
  machine("grid", "utility"),
  machine("incomer", "switchgear", "grid"),
  machine("bus", "busbar", "incomer"),
  machine("meter", "lv_meter", "bus"),
  machine("genset", "genset"),
  machine("ats", "ats", "bus", "genset"),
];
const power = (positions) => Object.fromEntries(powered(site, (m) => positions[m.id] ?? null));

test("behind an open switch there is no power", () => {
  assert.equal(power({ incomer: 0, genset: 0, ats: 1 }).bus, false);
});
test("behind a switch whose position is not known, power is not known either", () => {
  const found = power({ genset: 0, ats: 1 });
  assert.equal(found.bus, null);
  assert.equal(found.ats, null);
});
test("a transfer switch has the power of the source it stands on", () => {
  assert.equal(power({ incomer: 0, genset: 1, ats: 2 }).ats, true);
  assert.equal(power({ incomer: 1, genset: 0, ats: 2 }).ats, false);
});
test("a circle of bus ties ends, and every machine has its place", () => {
  const ring = [machine("a", "busbar", "b", "grid"), machine("b", "busbar", "a"), machine("grid", "utility")];
  const found = diagram(ring);
  assert.equal(found.nodes.length, 3);
  for (const node of found.nodes) assert.ok(node.row >= 0 && node.row <= 1);
  assert.deepEqual(powered(ring, () => null).get("b"), true);
});
test("a meter that feeds nothing stands beside its busbar, not behind it", () => {
  assert.ok(!diagram(site).nodes.some((n) => n.id === "meter"));
});
