// A line of the log book as a sentence's second half: the particulars of its kind, in the chosen language.
import type { Incident, LogRecord } from "./api";
import { moment, span } from "./clock";
import { label, machineName, personName, roleName } from "./figures";
import { incidents, site } from "./live";
import { known, t, tx } from "./words";

type Data = Record<string, unknown>;
const str = (data: Data, key: string): string => (data[key] == null ? "" : String(data[key]));
const plan = (id: string): string => tx(site.value?.plans.find((p) => p.id === id)?.name) || id;
const rule = (id: string): string => tx(site.value?.rules[id]?.name) || id;

/** The plans of incidents that are closed, as far as records told us; the open ones are at hand. */
const plans = new Map<string, string>();

/** Learn from these records which incident runs which plan. */
export function learn(records: readonly LogRecord[]): void {
  for (const r of records) if (r.data["plan"]) plans.set(r.subject, str(r.data, "plan"));
}

const planOf = (record: LogRecord, whole?: Incident): string =>
  whole?.plan ?? incidents.get(record.subject.replace(/^incident:/, ""))?.plan ?? plans.get(record.subject) ?? "";

function stepText(record: LogRecord, whole?: Incident, id = str(record.data, "step")): string {
  const all = site.value?.plans ?? [];
  const own = all.find((p) => p.id === planOf(record, whole)) ?? all.find((p) => p.steps[id]);
  return tx(own?.steps[id]) || id;
}

function promise(record: LogRecord, whole?: Incident): string {
  const id = str(record.data, "promise");
  return id.startsWith("step/") ? stepText(record, whole, id.slice("step/".length)) : tx(site.value?.promises[id]) || id;
}

function alarm(subject: string): string {
  const [owner = "", name = ""] = subject.replace(/^alarm:/, "").split("/");
  return `${machineName(owner)} ${rule(name)}`;
}

/** What keeps alarms out of sight, in words: "season", "rule:<id>", "permit:<id>". */
function hider(by: string): string {
  const [what, id = ""] = by.split(":");
  return what === "rule" ? rule(id) : what === "permit" ? t("permit_no", { id }) : label("hidden_by", by);
}

/** What the record says beyond its kind; `whole` is the incident it belongs to, where it is at hand. */
export function particulars(record: LogRecord, whole?: Incident): string {
  const d = record.data;
  const person = d["person"] ? personName(str(d, "person")) : "";
  switch (record.kind) {
    case "alarm.raised":
    case "alarm.cleared": {
      const why = d["hidden"] ? t("raised_hidden", { why: hider(str(d, "by")) || label("alarm_state", str(d, "hidden")) }) : "";
      return `${machineName(str(d, "owner"))} ${rule(str(d, "rule"))} ${why}`.trim();
    }
    case "link.used":
      return [person, t("rec.device", { n: Number(d["nth"]), app: str(d, "app") })].join(" · ");
    case "link.revoked":
      return [person, t("rec.generation", { n: Number(d["generation"]) })].join(" · ");
    case "press.late":
      return [person, str(d, "what"), t("rec.pressed", { time: moment(Number(d["pressed_ms"])) })].join(" · ");
    case "work.offered":
      return [person, personName(str(d, "to"))].filter(Boolean).join(" → ");
    case "work.taken":
      return [personName(str(d, "of")), person].join(" → ");
    case "photo.added":
      return [person, `${Math.ceil(Number(d["bytes"]) / 1024)} kB`].join(" · ");
    case "photo.erased":
      return str(d, "reason");
    case "alarm.acknowledged":
      return [alarm(record.subject), str(d, "comment")].filter(Boolean).join(" · ");
    case "alarm.graded":
      return `${alarm(record.subject)} · ${t("grade", { priority: t(`priority.${Number(d["priority"])}`) })}`;
    case "alarm.shelved":
      return [alarm(record.subject), t("until_time", { time: moment(Number(d["until_ms"])) }), str(d, "reason")].join(" · ");
    case "alarm.unshelved":
      return `${alarm(record.subject)} · ${known(`why.${str(d, "why")}`, str(d, "why"))}`;
    case "alarm.hidden":
    case "alarm.shown":
      return [alarm(record.subject), hider(str(d, record.kind === "alarm.hidden" ? "by" : "why"))].join(" · ");
    case "alarm.chattering":
    case "alarm.settled":
      return `${alarm(record.subject)} · ${t("count_times", { n: Number(d["count"]) })}`;
    case "alarm.reset":
      return [alarm(record.subject), ...record.about.slice(1).map(personName), str(d, "comment")].filter(Boolean).join(" · ");
    case "sweep.listed":
      return `${machineName(str(d, "lift"))} · ${known(`why.${str(d, "why")}`, str(d, "why"))}`;
    case "sweep.cleared":
      return [machineName(str(d, "lift")), t(`sweep.${str(d, "how")}`), personName(str(d, "by")), str(d, "note")].filter(Boolean).join(" · ");
    case "incident.opened":
      return [plan(str(d, "plan")), machineName(str(d, "equipment")), str(d, "place"), str(d, "caller"), str(d, "note")]
        .filter(Boolean)
        .join(" · ");
    case "incident.joined":
      return `${alarm(str(d, "alarm"))} (${known(`why.${str(d, "why")}`, str(d, "why"))})`;
    case "incident.confirmed":
      return known(`why.${str(d, "why")}`, str(d, "why"));
    case "bell.answered":
      return [t(d["trapped"] ? "desk.trapped_said" : "desk.nobody_said"), str(d, "note")].filter(Boolean).join(" · ");
    case "life-clock.set":
      return known(`why.${str(d, "why")}`, str(d, "why"));
    case "plan.started":
      return plan(str(d, "plan"));
    case "step.done":
      return [stepText(record, whole), str(d, "by") === "telemetry" ? t("by_telemetry") : personName(str(d, "by")), str(d, "note")]
        .filter(Boolean)
        .join(" · ");
    case "step.skipped":
      return `${stepText(record, whole)} · ${str(d, "reason")}`;
    case "level.reached":
      return `${t("level", { level: Number(d["level"]) + 1, round: Number(d["round"]) + 1 })} ${known(`why.${str(d, "why")}`, str(d, "why"))}`;
    case "duty.unfilled":
      return roleName(str(d, "role"));
    case "page.requested":
      return `${person} · ${label("channel", str(d, "channel"))} · ${str(d, "text")}`;
    case "page.sent":
    case "page.refused":
      // Only the page's key and the provider's words are in the data; whom it went to is what the record is about.
      return [...record.about.map(personName), str(d, "said")].filter(Boolean).join(" · ");
    case "promise.kept":
      return `${promise(record, whole)} · ${t("promise.kept", { span: span(Number(d["took_ms"])) })}`;
    case "promise.broken":
      return promise(record, whole);
    case "life-clock.set":
      return `${moment(Number(d["from_ms"]))} → ${moment(Number(d["by_ms"]))}`;
    case "permit.ended":
      return [known(`why.${str(d, "why")}`, str(d, "why")), personName(str(d, "by")), str(d, "note")].filter(Boolean).join(" · ");
    case "clock.stepped":
      return `${Number(d["by_ms"]) / 1000} s`;
    default:
      return [person, ...["note", "why", "result", "cause", "task", "store", "version"].map((k) => str(d, k))].filter(Boolean).join(" · ");
  }
}
