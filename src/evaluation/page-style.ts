/** The style of the report page: system fonts, light and dark, printable. */

export const PAGE_STYLE = `
:root { color-scheme: light dark; --own: #1f6feb; --published: #8b949e; --baseline: #c9a227; --line: #8886; }
body { font: 15px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; margin: 1rem auto; max-width: 68rem; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
small { font-weight: normal; opacity: .75; }
body > input { margin-left: 1rem; }
#zh:checked ~ main .en, #en:checked ~ main .zh { display: none; }
.score { font-size: 2rem; margin: .5rem 0; }
.score small { font-size: 1rem; }
.notes { color: #b35900; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; }
th, td { border: 1px solid var(--line); padding: .2rem .5rem; text-align: left; vertical-align: top; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.matrix td { text-align: right; }
.matrix .right { background: rgb(46 160 67 / calc(var(--share) * 70%)); }
.matrix .wrong { background: rgb(218 54 51 / calc(var(--share) * 70%)); }
.chart { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr minmax(4rem, max-content); gap: .3rem .7rem; align-items: center; margin: 1rem 0; }
.track { position: relative; height: 1.3rem; background: #8882; }
.track i { position: absolute; top: 0; bottom: 0; }
.bar.own { background: var(--own); } .bar.published { background: var(--published); } .bar.baseline { background: var(--baseline); }
.band { background: #1f6feb2e; }
.whisker { top: 45% !important; bottom: 45% !important; background: currentColor; border-left: 2px solid; border-right: 2px solid; }
@media print { body > input, body > label { display: none; } }
`;
