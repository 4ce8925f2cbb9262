// The alarm's voice. One pattern per priority, repeated until every alarm is acknowledged or the room is silenced.
import { computed, ref, watchEffect } from "vue";
import type { Alarm, Priority } from "./api";
import { alarms, onAlarm } from "./live";

/** tone in Hz, from and to in seconds after the pattern's start; then how long until it repeats. */
const PATTERNS: Record<Priority, { tones: [hz: number, from: number, to: number][]; every: number }> = {
  1: { tones: [[960, 0, 0.25], [720, 0.25, 0.5], [960, 0.5, 0.75], [720, 0.75, 1]], every: 1.4 },
  2: { tones: [[840, 0, 0.18], [840, 0.3, 0.48], [840, 0.6, 0.78]], every: 4 },
  3: { tones: [[620, 0, 0.2], [520, 0.3, 0.5]], every: 10 },
  4: { tones: [[480, 0, 0.25]], every: 30 },
};
const LOUD: Record<Priority, number> = { 1: 0.5, 2: 0.4, 3: 0.25, 4: 0.2 };

let context: AudioContext | null = null;

/** Whether the browser lets us sound: it does only after a press on this page. */
export const blocked = ref(true);
export const on = ref(localStorage.getItem("sound") !== "off");
const silenced = ref(new Set<string>());

const mark = (alarm: Alarm): string => `${alarm.subject}@${alarm.raised_ms}/${alarm.priority}`;

/** Whether F8 keeps an alarm quiet: in this browser, until it is acknowledged, rises again or becomes graver. */
export const isSilenced = (alarm: Alarm): boolean => !alarm.acknowledged && silenced.value.has(mark(alarm));

/** The most urgent priority that still has to be heard. */
export const calling = computed<Priority | 0>(() => {
  let top: Priority | 0 = 0;
  for (const a of alarms.values())
    if (!a.acknowledged && !silenced.value.has(mark(a)) && (!top || a.priority < top)) top = a.priority;
  return top;
});

/** Called from a press: browsers allow sound only then. */
export async function arm(): Promise<void> {
  context ??= new AudioContext();
  context.onstatechange = () => (blocked.value = context?.state !== "running");
  await context.resume().catch(() => undefined);
  blocked.value = context.state !== "running";
}

export function turn(to: boolean): void {
  on.value = to;
  localStorage.setItem("sound", to ? "on" : "off");
}

/** Not an acknowledgement: the alarms stay, and the next new one sounds again. */
export function silence(): void {
  silenced.value = new Set([...alarms.values()].filter((a) => !a.acknowledged).map(mark));
}

/** Let the pattern of a priority be heard once. */
export function play(priority: Priority): void {
  if (!context || context.state !== "running") return;
  const start = context.currentTime + 0.02;
  for (const [hz, from, to] of PATTERNS[priority].tones) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.type = priority === 1 ? "square" : "sine";
    tone.frequency.value = hz;
    gain.gain.setValueAtTime(0, start + from);
    gain.gain.linearRampToValueAtTime(LOUD[priority], start + from + 0.015);
    gain.gain.setValueAtTime(LOUD[priority], start + to - 0.03);
    gain.gain.linearRampToValueAtTime(0, start + to);
    tone.connect(gain).connect(context.destination);
    tone.start(start + from);
    tone.stop(start + to);
  }
}

export function startSound(): void {
  let timer = 0;
  watchEffect(() => {
    clearTimeout(timer);
    const priority = calling.value;
    if (!priority || !on.value || blocked.value) return;
    const again = (): void => {
      play(priority);
      timer = window.setTimeout(again, PATTERNS[priority].every * 1000);
    };
    again();
  });
  onAlarm((alarm) => silenced.value.delete(mark(alarm)));
  // Any press arms the sound once somebody is logged in, not only the button.
  for (const press of ["pointerdown", "keydown"])
    addEventListener(press, () => blocked.value && void arm(), { passive: true });
}
