// Both catalogues say the same things, every sentence the screens ask for exists, and none is written into a screen.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const src = new URL("../src/", import.meta.url).pathname;
const zh = JSON.parse(readFileSync(join(src, "words/zh.json"), "utf8"));
const en = JSON.parse(readFileSync(join(src, "words/en.json"), "utf8"));
const files = readdirSync(src, { recursive: true }).filter((f) => /\.(ts|vue)$/.test(f));
const read = (file) => readFileSync(join(src, file), "utf8");
const holes = (sentence) => [...sentence.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

test("the two catalogues have the same keys, and no empty sentence", () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [key, sentence] of [...Object.entries(zh), ...Object.entries(en)]) assert.ok(sentence.trim(), key);
});

test("a sentence has the same blanks in both languages", () => {
  for (const key of Object.keys(zh)) assert.deepEqual(holes(zh[key]), holes(en[key]), key);
});

test("every key that a screen asks for is there", () => {
  for (const file of files) {
    const text = read(file);
    for (const [, key] of text.matchAll(/\bt\(["']([\w.-]+)["']/g)) assert.ok(key in zh, `${file}: ${key}`);
    for (const [, yes, no] of text.matchAll(/\bt\([^()]*\?\s*["']([\w.-]+)["']\s*:\s*["']([\w.-]+)["']/g)) {
      assert.ok(yes in zh, `${file}: ${yes}`);
      assert.ok(no in zh, `${file}: ${no}`);
    }
    for (const [, family] of text.matchAll(/\b(?:t|known)\(`([\w.]+\.)\$\{/g))
      assert.ok(Object.keys(zh).some((key) => key.startsWith(family)), `${file}: ${family}*`);
  }
});

test("every sentence is asked for somewhere", () => {
  const all = files.map(read).join("\n");
  const families = [...all.matchAll(/`([\w.]+\.)\$\{/g)].map((m) => m[1]);
  for (const key of Object.keys(zh))
    assert.ok(all.includes(`"${key}"`) || all.includes(`'${key}'`) || families.some((f) => key.startsWith(f)), key);
});

test("no Chinese sentence stands outside the catalogues", () => {
  for (const file of files) {
    const code = read(file).replace(/\/\/.*$/gm, "").replace(/<!--[\s\S]*?-->/g, "");
    // The enumeration comma between names is a sign, not a sentence.
    const found = code.match(/[\u4e00-\u9fff\uff00-\uffef]+/);
    assert.equal(found, null, `${file}: ${found}`);
  }
});
