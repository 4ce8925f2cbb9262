// Where the nodes of a one-line diagram stand: sources left, what they feed to the right. Pure.
import type { Equipment } from "./api";

export const NODE_KINDS: ReadonlySet<string> = new Set([
  "utility",
  "switchgear",
  "rmu",
  "busbar",
  "transformer",
  "lv_meter",
  "genset",
  "ats",
]);

export interface Node {
  id: string; // empty: only a bend of a line that passes this column
  machine: Equipment | null;
  column: number;
  row: number; // 0..1 of the height
}
export interface Wire {
  from: string; // the machine that feeds
  to: string;
  path: Node[];
}
export interface Diagram {
  columns: number;
  rows: number;
  nodes: Node[];
  wires: Wire[];
}

/** A meter that feeds nothing is written beside what it measures: by the id of that machine. */
export function metersBy(equipment: readonly Equipment[]): Map<string, Equipment> {
  const feeds = new Set(equipment.flatMap((e) => e.fed_by));
  const meters = equipment.filter((e) => e.kind === "lv_meter" && !feeds.has(e.id) && e.fed_by.length === 1);
  return new Map(meters.map((m) => [m.fed_by[0]!, m]));
}

export function diagram(equipment: readonly Equipment[]): Diagram {
  const beside = new Set([...metersBy(equipment).values()].map((m) => m.id));
  const drawn = equipment.filter((e) => NODE_KINDS.has(e.kind) && !beside.has(e.id));
  const machines = new Map(drawn.map((e) => [e.id, e]));
  const sources = (id: string): string[] => machines.get(id)!.fed_by.filter((s) => machines.has(s));
  const column = columns([...machines.keys()], sources);
  const nodes = new Map<string, Node>();
  for (const [id, machine] of machines) nodes.set(id, { id, machine, column: column.get(id)!, row: 0 });
  const ranks: Node[][] = [];
  for (const node of nodes.values()) (ranks[node.column] ??= []).push(node);
  const wires: Wire[] = [];
  for (const id of machines.keys())
    for (const source of sources(id)) wires.push({ from: source, to: id, path: bend(nodes.get(source)!, nodes.get(id)!, ranks) });
  arrange(ranks, wires);
  return {
    columns: ranks.length,
    rows: Math.max(1, ...ranks.map((r) => r?.length ?? 0)),
    nodes: [...nodes.values()],
    wires,
  };
}

/** The longest way from a source; a bus tie that closes a circle does not count. Sources stand next to what they feed. */
function columns(ids: string[], sources: (id: string) => string[]): Map<string, number> {
  const depth = new Map<string, number>();
  const under = new Set<string>();
  const visit = (id: string): number => {
    const done = depth.get(id);
    if (done !== undefined) return done;
    if (under.has(id)) return -1;
    under.add(id);
    const d = 1 + Math.max(-1, ...sources(id).map(visit));
    under.delete(id);
    depth.set(id, d);
    return d;
  };
  ids.forEach(visit);
  for (const id of ids) {
    const fed = ids.filter((other) => sources(other).includes(id)).map((other) => depth.get(other)!);
    if (!sources(id).length && fed.length) depth.set(id, Math.max(0, Math.min(...fed) - 1));
  }
  return depth;
}

function bend(from: Node, to: Node, ranks: Node[][]): Node[] {
  const path = [from];
  for (let c = from.column + 1; c < to.column; c++) {
    const node: Node = { id: "", machine: null, column: c, row: 0 };
    (ranks[c] ??= []).push(node);
    path.push(node);
  }
  path.push(to);
  return path;
}

/** Put every node near the middle of its neighbours, so that few lines cross. */
function arrange(ranks: Node[][], wires: Wire[]): void {
  const next = new Map<Node, Node[]>();
  const link = (a: Node, b: Node): void => void (next.get(a) ?? next.set(a, []).get(a)!).push(b);
  for (const { path } of wires)
    path.forEach((node, i) => {
      const after = path[i + 1];
      if (after) {
        link(node, after);
        link(after, node);
      }
    });
  ranks.forEach((rank) => rank.forEach((n, i) => (n.row = (i + 0.5) / rank.length)));
  const gap = 1 / Math.max(...ranks.map((r) => r?.length ?? 0));
  for (let turn = 0; turn < 40; turn++)
    for (const rank of turn % 2 ? [...ranks].reverse() : ranks) {
      if (!rank) continue;
      const want = new Map(
        rank.map((n) => {
          const near = next.get(n) ?? [];
          return [n, near.length ? near.reduce((sum, m) => sum + m.row, 0) / near.length : n.row];
        }),
      );
      rank.sort((a, b) => want.get(a)! - want.get(b)!);
      place(rank, rank.map((n) => want.get(n)!), gap);
    }
  for (const rank of ranks) straighten(rank, next, gap);
}

/** What is fed by one machine that feeds nothing else stands level with it, where there is room. */
function straighten(rank: Node[], next: Map<Node, Node[]>, gap: number): void {
  const want = rank.map((n) => {
    const [source, ...others] = (next.get(n) ?? []).filter((m) => m.column < n.column);
    const alone = source && !others.length && (next.get(source) ?? []).filter((m) => m.column > source.column).length === 1;
    return alone ? source.row : n.row;
  });
  place(rank, want, gap);
}

/** As near as possible to where each wants to stand, in order, and never closer than `gap`. */
function place(rank: Node[], want: number[], gap: number): void {
  const down: number[] = [];
  want.forEach((w, i) => down.push(Math.max(w, i ? down[i - 1]! + gap : gap / 2)));
  const up: number[] = [];
  for (let i = want.length - 1; i >= 0; i--)
    up[i] = Math.min(want[i]!, i < want.length - 1 ? up[i + 1]! - gap : 1 - gap / 2);
  rank.forEach((n, i) => (n.row = (down[i]! + up[i]!) / 2));
  const over = rank.at(-1)!.row - (1 - gap / 2);
  if (over > 0) rank.forEach((n) => (n.row -= over));
  const under = gap / 2 - rank[0]!.row;
  if (under > 0) rank.forEach((n) => (n.row += under));
}

/** Which nodes have power by the positions of the switches; null where a position that decides it is not known. */
export function powered(
  equipment: readonly Equipment[],
  position: (machine: Equipment) => number | null,
): Map<string, boolean | null> {
  const machines = equipment.filter((e) => NODE_KINDS.has(e.kind));
  const state = new Map<string, boolean | null>(machines.map((m) => [m.id, false]));
  for (let changed = true; changed; ) {
    changed = false;
    for (const m of machines) {
      const is = one(m, position(m), state);
      if (is !== state.get(m.id) && state.get(m.id) !== true) {
        state.set(m.id, is);
        changed = true;
      }
    }
  }
  return state;
}

function one(m: Equipment, at: number | null, state: Map<string, boolean | null>): boolean | null {
  if (m.kind === "utility" || m.kind === "genset") return m.kind === "genset" && at === null ? null : at !== 0;
  const fed = m.fed_by.map((s) => (state.has(s) ? state.get(s)! : false));
  if (m.kind === "ats" && at !== null) return at <= fed.length ? fed[at - 1]! : false;
  const power = fed.includes(true) ? true : fed.some((f) => f === null) ? null : false;
  if (m.kind !== "switchgear" && m.kind !== "rmu") return power;
  if (at === 0) return false;
  return at === null && power ? null : power;
}
