// Light or dark, by choice and not by the time of day.
import { ref } from "vue";

export type Theme = "light" | "dark";
export const theme = ref<Theme>(localStorage.getItem("theme") === "dark" ? "dark" : "light");

export function wear(to: Theme): void {
  document.documentElement.dataset.theme = to;
  localStorage.setItem("theme", to);
  theme.value = to; // last: who draws with the colours reads them when this changes
}
wear(theme.value);
