// Zones and lines as a site's file has them, and what makes one unfit for it (edgeattr/video/zones.py).

export const round = (value) => Math.round(1000 * value) / 1000;

// What is wrong with a shape, or nothing.
export function problemOf(shape, all) {
  const {kind, name, points} = shape;
  if (!name) return `A ${kind} has no name.`;
  if (all.some((other) => other !== shape && other.name === name)) return `Two shapes are called ${name}.`;
  const missing = (kind === "zone" ? 3 : 2) - points.length;
  if (missing > 0) return `${name} needs ${missing} more ${missing === 1 ? "point" : "points"}.`;
  if (kind === "line") return String(points[0]) === String(points[1]) ? `Both points of ${name} are the same.` : "";
  if (crossing(points)) return `Edges of ${name} cross: give its corners in order around it.`;
  return Math.abs(area(points)) < 1e-6 ? `The corners of ${name} lie on one line.` : "";
}

// Keys of one camera: zones = [...] and lines = [...].
export function tomlOf(shapes) {
  const blocks = ["zone", "line"].map((kind) => {
    const rows = shapes.filter((shape) => shape.kind === kind).map(row);
    return rows.length ? `${kind}s = [\n${rows.join("")}]\n` : "";
  });
  return blocks.join("");
}

function row({name, points, anchor}) {
  const corners = points.map(([x, y]) => `[${decimal(x)}, ${decimal(y)}]`).join(", ");
  return `  { name = ${JSON.stringify(name)}, points = [${corners}], anchor = "${anchor}" },\n`;
}

// TOML tells 1 and 1.0 apart.
function decimal(value) {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

function crossing(points) {
  const count = points.length;
  const edge = (place) => [points[place], points[(place + 1) % count]];
  for (let one = 0; one < count; one += 1) {
    for (let other = one + 2; other < count; other += 1) {
      if (one === 0 && other === count - 1) continue; // neighbours share a corner
      if (cross(...edge(one), ...edge(other))) return true;
    }
  }
  return false;
}

function cross(a, b, c, d) {
  const turn = (p, q, r) => (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
  return turn(a, b, c) * turn(a, b, d) <= 0 && turn(c, d, a) * turn(c, d, b) <= 0;
}

function area(points) {
  return points.reduce((sum, [x, y], place) => {
    const [nextX, nextY] = points[(place + 1) % points.length];
    return sum + x * nextY - nextX * y;
  }, 0) / 2;
}
