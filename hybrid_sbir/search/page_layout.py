"""How the page of a search looks: its style sheet and its frame."""

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #fff; --ink: #22262b; --soft: #5c6570; --rule: #dcdad3; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --card: #1e2228; --ink: #e8eaed; --soft: #a3acb6;
  --rule: #363c44; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 84rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: .95rem; margin: .5rem 0 0; overflow-wrap: anywhere; }
p { max-width: 60rem; overflow-wrap: anywhere; }
article { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 1rem 1.4rem; padding: .9rem;
  margin: 0 0 .9rem; background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; }
.seen { display: block; width: 100%; background: #fff; border-radius: .3rem; border: 1px solid var(--rule);
  image-rendering: pixelated; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: .7rem;
  grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
li { min-width: 0; font-size: .8rem; line-height: 1.3; }
li img, li .blank { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .25rem;
  background: #fff; border: 1px solid var(--rule); margin-bottom: .2rem; }
li .blank { display: grid; place-items: center; background: none; color: var(--soft); }
li span { display: block; overflow-wrap: anywhere; } li span:last-child { color: var(--soft); }
details { margin-top: 1rem; } summary { cursor: pointer; padding: .4rem 0; }
details img { display: block; max-width: 46rem; width: 100%; min-width: 32rem; background: #fff; border-radius: .3rem; }
.scroll { overflow-x: auto; }
@media (max-width: 40rem) { body { padding: .8rem; } article { grid-template-columns: minmax(0, 1fr); }
  .query { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .8rem; align-items: center; }
  ol { grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); } }
@media print { :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #bbb; }
  body { max-width: none; padding: 0; font-size: 9pt; } article { break-inside: avoid; }
  ol { grid-template-columns: repeat(6, minmax(0, 1fr)); } * { print-color-adjust: exact; } }
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{about}</p>
{queries}
</main>
</body>
</html>
"""
