"""How the page of retrieval looks: its style sheet and its frame."""

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #fff; --ink: #22262b; --soft: #5c6570; --rule: #dcdad3;
  --right: #0a5c99; --wrong: #a33c00; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --card: #1e2228; --ink: #e8eaed; --soft: #a3acb6;
  --rule: #363c44; --right: #74bdf2; --wrong: #ffa45c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 84rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; }
p { color: var(--soft); margin: .3rem 0 1rem; max-width: 46rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { padding: .25rem 1.2rem .25rem 0; border-bottom: 1px solid var(--rule); text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; }
.choice { position: absolute; opacity: 0; }
.choice + label { display: inline-block; padding: .25rem .8rem; margin: 0 .3rem .8rem 0; border: 1px solid var(--rule);
  border-radius: 1rem; cursor: pointer; }
.choice:checked + label { background: var(--ink); color: var(--paper); }
.choice:focus-visible + label { outline: 3px solid var(--right); }
#missed:checked ~ .queries .found, #disputes:checked ~ .queries .agreed { display: none; }
article { display: grid; grid-template-columns: 8rem minmax(0, 1fr); gap: 1rem 1.4rem; padding: .9rem;
  margin: 0 0 .9rem; background: var(--card); border: 1px solid var(--rule); border-radius: .6rem;
  break-inside: avoid; }
.query img, .query .blank { display: block; width: 100%; margin: 0 0 .4rem; border-radius: .3rem; background: #fff; }
.name { color: var(--soft); font-size: .75rem; overflow-wrap: anywhere; }
.runs { display: grid; gap: .9rem 1.6rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
.run { font-size: .9rem; } .run b { font-weight: 600; margin-right: .6rem; } .run .score { white-space: nowrap; }
ol { list-style: none; margin: .4rem 0 0; padding: 0; display: grid; gap: .4rem;
  grid-template-columns: repeat(5, minmax(0, 1fr)); }
.alone ol { grid-template-columns: repeat(10, minmax(0, 1fr)); }
li { min-width: 0; font-size: .72rem; line-height: 1.25; }
li img, li .blank { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .25rem;
  background: #fff; margin-bottom: .15rem; }
.blank { border: 1px solid var(--rule); aspect-ratio: 1; }
li img, li .blank { padding: 2px; border: 3px solid var(--right); background-clip: padding-box; }
li.wrong img, li.wrong .blank { padding: 3px; border: 2px dashed var(--wrong); }
li span { display: block; overflow-wrap: anywhere; }
.right > span { color: var(--right); font-weight: 600; } .wrong > span { color: var(--wrong); }
.legend { display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; margin: 0 0 1rem; padding: 0; font-size: .9rem; }
.legend li { display: flex; align-items: center; gap: .5rem; font-size: .9rem; }
.legend .blank { width: 1.6rem; margin: 0; background: none; }
details { margin-top: 1rem; } summary { cursor: pointer; }
@media (max-width: 40rem) { body { padding: .8rem; } article { grid-template-columns: minmax(0, 1fr); }
  .query { display: grid; grid-template-columns: 6rem minmax(0, 1fr); gap: 0 .8rem; align-items: center; }
  .query .blank, .query img { grid-row: span 2; margin: 0; } .query h3 { align-self: end; }
  .query .name { align-self: start; } th, td { padding-right: .8rem; }
  .alone ol { grid-template-columns: repeat(5, minmax(0, 1fr)); } }
@media print { :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #bbb; --right: #0a5c99;
  --wrong: #a33c00; } body { max-width: none; padding: 0; font-size: 9pt; } .choice, .choice + label { display: none; }
  article { grid-template-columns: 5.5rem minmax(0, 1fr); padding: .4rem; margin-bottom: .4rem; }
  .runs { grid-template-columns: minmax(0, 1fr); gap: .4rem; } .run { font-size: 8pt; }
  ol, .alone ol { grid-template-columns: repeat(10, minmax(0, 1fr)); gap: .25rem; margin-top: .2rem; }
  li { font-size: 6.5pt; } * { print-color-adjust: exact; } }
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{about}</p>
{table}
{remarks}
<section>
<h2>Queries</h2>
<ul class="legend">
<li class="right"><i class="blank"></i><span>✓ right: the query's class (solid frame)</span></li>
<li class="wrong"><i class="blank"></i><span>✗ wrong: another class, named below (dashed frame)</span></li>
</ul>
<input class="choice" type="radio" name="show" id="everything" checked><label for="everything">all</label>
<input class="choice" type="radio" name="show" id="missed"><label for="missed">first image wrong</label>
{disputes}
<div class="queries{alone}">
{queries}
</div>
</section>
{classes}
</main>
</body>
</html>
"""

DISPUTES = """<input class="choice" type="radio" name="show" id="disputes">\
<label for="disputes">right first in one run, wrong in another</label>"""
