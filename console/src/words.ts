// Every sentence on the screen, in two languages; switched without a reload.
import { ref } from "vue";
import en from "./words/en.json";
import zh from "./words/zh.json";

/** A text that came with the data, in both languages. */
export interface Text {
  zh: string;
  en: string;
}
export type Language = "zh" | "en";

const catalogues: Record<Language, Record<string, string>> = { zh, en };
const kept = localStorage.getItem("language");
export const language = ref<Language>(kept === "en" || kept === "zh" ? kept : "zh");

export function speak(to: Language): void {
  language.value = to;
  localStorage.setItem("language", to);
  document.documentElement.lang = to === "zh" ? "zh-CN" : "en";
}
speak(language.value);

/** The sentence `key` names, with `{name}` filled in. An unknown key is shown as it is, so that it is noticed. */
export function t(key: string, fill: Record<string, string | number> = {}): string {
  const sentence = catalogues[language.value][key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(fill[name] ?? whole));
}

/** The sentence `key` names, or `otherwise` where there is none: for ids that a later service may add. */
export function known(key: string, otherwise: string): string {
  return catalogues[language.value][key] ?? otherwise;
}

/** A text from the data in the chosen language; the other one where that is missing. */
export function tx(text: Text | string | null | undefined): string {
  if (text == null) return "";
  if (typeof text === "string") return text;
  return (language.value === "zh" ? text.zh || text.en : text.en || text.zh) ?? "";
}
