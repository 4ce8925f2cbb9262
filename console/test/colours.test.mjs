// Every text and every mark can be told from its ground in both themes (WCAG 2: 4.5 for text, 3 for marks).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../src/style.css", import.meta.url), "utf8");
const block = (start) => {
  const from = css.indexOf(start);
  return Object.fromEntries([...css.slice(from, css.indexOf("}", from)).matchAll(/--([\w-]+): (#\w{6});/g)].map((m) => [m[1], m[2]]));
};
const themes = { light: block(":root {"), dark: block(':root[data-theme="dark"]') };

const luminance = (hex) => {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (hi + 0.05) / (lo + 0.05);
};

for (const [name, c] of Object.entries(themes)) {
  test(`${name}: texts stand out from their grounds`, () => {
    for (const text of ["text", "quiet"])
      for (const ground of ["panel", "bar", "raised", "chosen", "ground"]) {
        const found = contrast(c[text], c[ground]);
        assert.ok(found >= 4.5, `${text} on ${ground}: ${found.toFixed(2)}`);
      }
    assert.ok(contrast(c.panel, c.text) >= 4.5);
    for (const verdict of ["good", "off", "beyond"]) {
      const found = contrast(c[verdict], c.panel);
      assert.ok(found >= 4.5, `${verdict}: ${found.toFixed(2)}`);
    }
  });
  test(`${name}: marks stand out by their outline, digits from their mark`, () => {
    for (const p of ["1", "2", "3", "4"]) {
      const digit = contrast(c[`on-p${p}`], c[`p${p}`]);
      assert.ok(digit >= 4.5, `digit ${p}: ${digit.toFixed(2)}`);
    }
    assert.ok(contrast(c.text, c.panel) >= 3);
    assert.ok(contrast(c.focus, c.panel) >= 3);
  });
}

test("priority colours are used by marks and overdue times only", () => {
  const uses = [...css.matchAll(/^(.+) \{[^}]*var\(--p[1-4]\)/gm)].map((m) => m[1]);
  for (const use of uses) assert.match(use, /^\.over\.p[1-4]$/);
});
