/** The style of the report page: system fonts, light and dark, from phone to desktop, printable. */

export const PAGE_STYLE = `
:root { color-scheme: light dark; --own: #1f6feb; --published: #8b949e; --baseline: #c9a227; --line: #8886; --right: 46 160 67; --wrong: 218 54 51; }
body { font: 15px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; margin: 1rem auto; max-width: 68rem; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
small { font-weight: normal; opacity: .75; }
body > input { margin-left: 1rem; }
#zh:checked ~ main .en, #en:checked ~ main .zh { display: none; }
.score { font-size: 2rem; line-height: 1.2; margin: .5rem 0; }
.score small { font-size: 1rem; }
.notes { color: #b35900; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; }
th, td { border: 1px solid var(--line); padding: .2rem .5rem; text-align: left; vertical-align: top; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.text { white-space: normal; overflow-wrap: anywhere; min-width: 8rem; }
.text:nth-child(2) { min-width: 14rem; }
.matrix td { text-align: right; font-variant-numeric: tabular-nums; }
.matrix thead th { text-align: right; }
.matrix th:first-child { position: sticky; left: 0; background: Canvas; text-align: left; }
.matrix .right { background: rgb(var(--right) / calc(var(--share) * 70%)); }
.matrix .wrong { background: rgb(var(--wrong) / calc(var(--share) * 70%)); }
.heat { margin: 1rem 0; max-width: 36rem; }
.heat svg { display: block; border: 1px solid var(--line); shape-rendering: crispEdges; }
.heat .right { fill: rgb(var(--right)); } .heat .wrong { fill: rgb(var(--wrong)); }
.heat figcaption { font-size: .85rem; opacity: .75; }
.chart { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr minmax(4rem, max-content); gap: .3rem .7rem; align-items: center; margin: 1rem 0; }
.row { display: contents; }
.track { position: relative; height: 1.3rem; background: #8882; }
.track i { position: absolute; top: 0; bottom: 0; }
.bar.own { background: var(--own); } .bar.published { background: var(--published); } .bar.baseline { background: var(--baseline); }
.band { background: #1f6feb2e; }
.whisker { top: 45% !important; bottom: 45% !important; background: currentColor; border-left: 2px solid; border-right: 2px solid; }
@media (max-width: 42rem) {
  .chart { display: block; }
  .row { display: grid; grid-template: "name value" "track track" / 1fr max-content; column-gap: .7rem; margin-bottom: .5rem; }
  .name { grid-area: name; } .value { grid-area: value; } .track { grid-area: track; }
}
@media print { body > input, body > label { display: none; } }
`;
