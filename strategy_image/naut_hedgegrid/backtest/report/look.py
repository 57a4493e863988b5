"""How the page looks, in light and in dark, and what moves when a pointer does."""

STYLE = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #14181f; --soft: #5b6675; --rule: #e4e7ec; --line: #3c4654;
  --long: #1769c4; --short: #c25700; --equity: #0b7a68; --fall: #c4262e; --gain: #0b7a4b; --band: #aab3c0; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0f1216; --card: #171b21; --ink: #e8ebf0; --soft: #94a0b0; --rule: #2a313b; --line: #b6c0cd;
  --long: #62a8f5; --short: #f2994a; --equity: #3cc7ae; --fall: #ff6b6f; --gain: #4cc38a; --band: #4b5563; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 48px }
h1 { font-size: 22px; margin: 0 0 2px; letter-spacing: -.01em }
h2 { font-size: 14px; margin: 0 0 8px; font-weight: 600 }
.under { color: var(--soft); margin: 0 0 18px }
.under span { white-space: nowrap; margin-right: 14px }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 10px; margin-bottom: 14px }
@media (max-width: 760px) { .tiles { grid-template-columns: repeat(2, 1fr) } }
.tile, section { background: var(--card); border: 1px solid var(--rule); border-radius: 10px }
.tile { padding: 11px 14px }
.tile b { display: block; font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums }
.tile small, .legend { color: var(--soft); font-size: 12px }
section { padding: 14px 16px; margin-bottom: 14px; overflow-x: auto }
.note { border-left: 3px solid var(--short); padding: 8px 14px; margin-bottom: 14px }
.note p { margin: 2px 0 }
svg.chart { display: block; width: 100%; height: auto; overflow: visible }
section > p { margin: 8px 0 0 }
svg text { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums }
svg .value { text-anchor: end } svg .time { text-anchor: middle }
svg path { fill: none; vector-effect: non-scaling-stroke }
.grid { stroke: var(--rule) } .zero { stroke: var(--soft); stroke-dasharray: 4 4 }
.line { stroke: var(--line); stroke-width: 1.1 } svg path.band { fill: var(--band); opacity: .45 }
.dot { stroke-width: 3.6; stroke-linecap: round; opacity: .8 } .dot.out { stroke-width: 2.4; opacity: .4 }
.dot.long { stroke: var(--long) } .dot.short { stroke: var(--short) }
.equity { stroke: var(--equity); stroke-width: 1.6 }
svg path.loss { fill: var(--fall); opacity: .55 }
svg path.held { opacity: .7 } svg path.held.long { fill: var(--long) } svg path.held.short { fill: var(--short) }
svg path.up { fill: var(--gain) } svg path.down { fill: var(--fall) }
.trip { stroke: var(--fall); stroke-width: 1.5; stroke-dasharray: 3 3 }
.cursor { stroke: var(--soft); stroke-width: 1 }
.legend i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin: 0 5px 0 12px }
.legend .out { opacity: .45; transform: scale(.7) }
svg + table { margin-top: 12px }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { color: var(--soft); font-weight: 500; font-size: 12px }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
tr:last-child td { border-bottom: 0 }
.words1 :is(th, td):nth-child(-n+1), .words2 :is(th, td):nth-child(-n+2), .words3 :is(th, td):nth-child(-n+3) {
  text-align: left }
.gain { color: var(--gain) } .fall { color: var(--fall) }
details > summary { cursor: pointer; color: var(--soft); margin-top: 10px }
#tip { position: fixed; display: none; pointer-events: none; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; padding: 7px 11px; font: 12px/1.5 ui-monospace, Menlo, Consolas, monospace;
  box-shadow: 0 4px 16px #0003; white-space: pre;
  font-variant-numeric: tabular-nums; z-index: 1 }
footer { color: var(--soft); font-size: 12px; margin-top: 22px }
"""

SCRIPT = """
(() => {
  const points = JSON.parse(document.getElementById("points").textContent);
  const tip = document.getElementById("tip"), charts = [...document.querySelectorAll("svg.chart[data-time]")];
  const { t, price, equity, drawdown, long, short, left, right, width } = points;
  const begin = points.begin, end = t[t.length - 1];
  const nearest = when => { let a = 0, b = t.length - 1;
    while (a < b) { const m = (a + b) >> 1; if (t[m] < when) a = m + 1; else b = m } return a };
  const digits = (value, n) => value.toLocaleString("en", { minimumFractionDigits: n, maximumFractionDigits: n });
  const hide = () => { tip.style.display = "none";
    charts.forEach(chart => chart.querySelector(".cursor").setAttribute("visibility", "hidden")) };
  charts.forEach(chart => {
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("pointermove", event => {
      const box = chart.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * width;
      if (x < left || x > width - right) return hide();
      const i = nearest(begin + (x - left) / (width - right - left) * (end - begin));
      const at = left + (t[i] - begin) / (end - begin) * (width - right - left);
      charts.forEach(other => { const line = other.querySelector(".cursor");
        line.setAttribute("transform", `translate(${at} 0)`); line.setAttribute("visibility", "visible") });
      tip.textContent = [new Date(t[i] * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC",
        "price      " + digits(price[i], 2), "equity     " + digits(equity[i], 2),
        "drawdown   " + digits(drawdown[i] * 100, 3) + " %", "long       " + long[i], "short      " + short[i]
      ].join("\\n");
      tip.style.display = "block";
      const far = event.clientX + tip.offsetWidth + 24 > innerWidth;
      tip.style.left = (far ? event.clientX - tip.offsetWidth - 14 : event.clientX + 14) + "px";
      tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
    });
  });
})();
"""
