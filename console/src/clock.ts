// The time on the wall: the service's clock, in the site's zone. Only `tick` moves, once a second.
import { ref } from "vue";

const DAY_MS = 86_400_000;

/** What the service's clock says; moves each second. */
export const now = ref(Date.now());
/** How far the service's clock is ahead of this computer's. */
export const ahead = ref(0);

let zone = "Asia/Shanghai";
export const siteZone = (): string => zone;
let formats = new Map<string, Intl.DateTimeFormat>();

export function useZone(name: string): void {
  zone = name;
  formats = new Map();
}

/** Follow the service's clock. Jitter of the network below 250 ms changes nothing. */
export function heard(at_ms: number): void {
  const offset = at_ms - Date.now();
  if (Math.abs(offset - ahead.value) > 250) ahead.value = offset;
}

export function startClock(): void {
  const tick = (): void => {
    now.value = Date.now() + ahead.value;
    setTimeout(tick, 1000 - (now.value % 1000) + 5);
  };
  tick();
}

function format(at_ms: number, options: Intl.DateTimeFormatOptions): string {
  const key = JSON.stringify(options);
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, hourCycle: "h23", ...options });
    formats.set(key, made);
  }
  return made.format(at_ms);
}

const HMS: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };

export const clock = (at_ms: number): string => format(at_ms, HMS);
export const day = (at_ms: number): string => format(at_ms, { year: "numeric", month: "2-digit", day: "2-digit" });
export const dayClock = (at_ms: number): string =>
  `${day(at_ms).slice(5)} ${format(at_ms, { hour: "2-digit", minute: "2-digit" })}`;

/** The time of an event: with seconds today, with its date before. */
export function moment(at_ms: number | null | undefined): string {
  if (at_ms == null) return "–";
  return day(at_ms) === day(now.value) ? clock(at_ms) : dayClock(at_ms);
}

/** A length of time as m:ss, h:mm:ss or days. */
export function span(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const h = Math.floor(total / 3600);
  const rest = `${two(Math.floor((total % 3600) / 60))}:${two(total % 60)}`;
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} d`;
  return h ? `${h}:${rest}` : rest;
}
