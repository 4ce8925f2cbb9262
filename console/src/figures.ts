// Machines and points of the site by id, and how a value is written.
import { computed } from "vue";
import type { Alarm, Equipment, Incident, Point, Priority } from "./api";
import { alarms, hidden, incidents, me, site, values, type Value } from "./live";
import { isSilenced } from "./sound";
import { t, tx } from "./words";

export const machines = computed(() => new Map((site.value?.equipment ?? []).map((e) => [e.id, e])));
export const points = computed(
  () => new Map((site.value?.equipment ?? []).flatMap((e) => e.points.map((p): [string, Point] => [p.id, p]))),
);
const names = computed(() => {
  const all = [...(site.value?.people ?? []), ...(site.value?.parties ?? [])];
  return new Map(all.map((p) => [p.id, p.name]));
});

export const machineName = (id: string): string => tx(machines.value.get(id)?.name) || id;
export const personName = (id: string): string => names.value.get(id) ?? id;
export const roleName = (id: string): string => tx(site.value?.roles?.[id]) || id;

/** The service's own word for one of its ids ("page_state" "sent"), or the id where it has none. */
export const label = (group: string, id: string): string => tx(site.value?.labels?.[group]?.[id]) || id;

/** Whether who is logged in may do it; the service decides again. */
export const may = (right: string): boolean => me.value?.rights.includes(right) ?? false;

/** Who did it, in words: "person:zhao", "user:chen", "system", "telemetry". */
export function actorName(actor: string | null | undefined): string {
  if (!actor) return "";
  if (actor === "system") return t("by_system");
  if (actor.startsWith("telemetry")) return t("by_telemetry");
  const id = actor.replace(/^(person|user):/, "");
  if (actor.startsWith("user:")) {
    if (id === me.value?.id) return me.value.name || id;
    return site.value?.demo_users?.find((u) => u.id === id)?.name ?? personName(id);
  }
  return personName(id);
}

export function reading(equipment: string, point: string): Value | undefined {
  return values.get(`${equipment}/${point}`);
}

/** The value of a point if it may be believed now, else null. */
export function good(equipment: string, point: string): number | null {
  const v = reading(equipment, point);
  return v && v.quality === "good" ? v.value : null;
}

export function written(point: Point | undefined, value: number | null): string {
  if (value === null || point === undefined) return value === null ? "–" : String(value);
  const code = point.codes?.find((c) => c.value === value);
  if (code) return tx(code.name);
  if (point.type === "state") return value ? t("yes") : t("no");
  return value.toFixed(point.type === "enum" ? 0 : point.decimals);
}

/** How many of the site's points are believed now, and how many there are. */
export const fresh = computed(() => {
  let n = 0;
  for (const v of values.values()) if (v.quality === "good") n++;
  // Who sees only the machines of his trade counts only those.
  const all = me.value?.reach["live.see"] === "own" ? values.size : points.value.size;
  return { fresh: n, all };
});

/** Alarms in the order in which they want attention: priority, people before machines, unacknowledged, newest. */
export const ordered = computed(() => [...alarms.values()].sort(byUrgency));

const people = (a: Alarm | undefined): number => (a?.class === "life-safety" ? 1 : 0);

export function byUrgency(a: Alarm, b: Alarm): number {
  return (
    a.priority - b.priority ||
    people(b) - people(a) ||
    Number(a.acknowledged) - Number(b.acknowledged) ||
    b.raised_ms - a.raised_ms
  );
}

/** Whether people are in danger, as far as its alarms say. */
const forPeople = (i: Incident): number => Math.max(0, ...i.alarms.map((subject) => people(alarms.get(subject))));

export const openIncidents = computed(() =>
  [...incidents.values()].sort(
    // whatever is real comes before any drill
    (a, b) => Number(!!a.drill) - Number(!!b.drill) || a.priority - b.priority || forPeople(b) - forPeople(a) || b.opened_ms - a.opened_ms,
  ),
);

/** The most urgent active alarm of each machine. */
export const worst = computed(() => {
  const out = new Map<string, Alarm>();
  for (const a of ordered.value) if (a.active && !out.has(a.owner)) out.set(a.owner, a);
  return out;
});

export const counts = computed(() => {
  const out: Record<Priority, { all: number; fresh: number }> = {
    1: { all: 0, fresh: 0 },
    2: { all: 0, fresh: 0 },
    3: { all: 0, fresh: 0 },
    4: { all: 0, fresh: 0 },
  };
  for (const a of alarms.values()) {
    out[a.priority].all++;
    if (!a.acknowledged) out[a.priority].fresh++;
  }
  return out;
});

/** Alarms that are open and silenced by F8 in this browser. */
export const silencedHere = computed(() => ordered.value.filter(isSilenced));

/** How many alarms disturb nobody now: shelved, suppressed, out of service, damped, or silenced here. */
export const outOfSight = computed(() => hidden.value.length + silencedHere.value.length);

/** The points an overview shows of each kind of machine; others show their first three. */
const SHOWN: Record<string, string[]> = {
  switchgear: ["i_a"],
  rmu: [],
  transformer: ["temp_a", "temp_b", "temp_c"],
  lv_meter: ["v_ab", "p_total"],
  genset: ["running", "fuel_level", "battery_v"],
  ats: [],
  utility: [],
  busbar: [],
  chiller: ["run_enabled", "leaving_temp", "entering_temp", "capacity"],
  pump: ["running", "freq", "power"],
  fire_panel: ["fire", "fault"],
  pit: ["water_high"],
  pump_room: ["flood"],
  dc_panel: ["fault", "battery_low"],
};

export function shown(machine: Equipment): Point[] {
  const wanted = SHOWN[machine.kind];
  if (!wanted) return machine.points.slice(0, 3);
  return wanted.flatMap((name) => machine.points.find((p) => p.id === `${machine.id}/${name}`) ?? []);
}
