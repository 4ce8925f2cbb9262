// Where we are: `#/screen/id?name=value`. The address says it all, so a screen can be opened by its address.
import { reactive } from "vue";

export type Screen = "overview" | "alarms" | "incidents" | "duty" | "drills" | "permits" | "performance";
export const screens: readonly Screen[] = ["overview", "alarms", "incidents", "duty", "permits", "drills", "performance"];
/** Screens that a key calls up: F1 and on. F5 stays the browser's own. */
export const keyed = screens.slice(0, 4);

export const route = reactive<{ screen: Screen; id: string; query: Record<string, string> }>({
  screen: "overview",
  id: "",
  query: {},
});

function read(): void {
  const [path = "", search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [screen = "", id = ""] = path.split("/").map(decodeURIComponent);
  route.screen = screens.find((s) => s === screen) ?? "overview";
  route.id = id;
  route.query = Object.fromEntries(new URLSearchParams(search));
}

export function go(screen: Screen, id = "", query: Record<string, string> = {}): void {
  const search = new URLSearchParams(Object.entries(query).filter(([, v]) => v)).toString();
  location.hash = `#/${screen}${id ? `/${encodeURIComponent(id)}` : ""}${search ? `?${search}` : ""}`;
  read(); // at once: whoever asks before the event comes would go back to where we were
}

/** Change what stands behind the "?" and stay on the screen; an empty value leaves it out. */
export function refine(query: Record<string, string>): void {
  go(route.screen, route.id, { ...route.query, ...query });
}

addEventListener("hashchange", read);
read();
