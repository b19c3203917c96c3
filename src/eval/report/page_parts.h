// The fixed parts of the HTML report: frame, style, and the script that pages through answers. Everything
// from outside enters the page as text (textContent), never as markup.
#pragma once

#include <string_view>

namespace poro::report {

constexpr std::string_view kPage = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Evaluation</title>
<style>{style}</style>
</head>
<body>
<h1>Evaluation</h1>
{body}
<h2>Answers side by side</h2>
<div class="controls">
<label>Benchmark <select id="group"></select></label>
<label>Category <select id="category"></select></label>
<label><input type="checkbox" id="differing"> only where scores differ</label>
<button id="previous">← previous</button>
<span id="place"></span>
<button id="next">next →</button>
</div>
<div id="item"></div>
<script type="application/json" id="answers">{answers}</script>
<script>{script}</script>
</body>
</html>
)html";

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
.wide { overflow-x: auto; }
.note { opacity: .75; max-width: 60rem; }
.charts { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
svg .value { font-size: 10px; }
svg .grid { fill: none; stroke: #8886; }
.controls { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; margin-bottom: 1rem; }
#item .turn { margin-bottom: 1.5rem; }
#item .columns { display: flex; gap: 1rem; }
#item .columns > div { flex: 1; min-width: 0; border: 1px solid var(--line); border-radius: .4rem; padding: .6rem; }
#item pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: .4rem 0; }
#item .prompt, #item .verdict { background: var(--soft); border-radius: .4rem; padding: .5rem; }
)css";

constexpr std::string_view kScript = R"js(
const groups = JSON.parse(document.getElementById('answers').textContent);
const get = id => document.getElementById(id);
let ids = [], place = 0;
const make = (tag, name, text) => {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
};
const group = () => groups[get('group').value];
const scores = id => group().models.map(model => model.items[id] ? model.items[id].score : null);
const all = () => [...new Set(group().models.flatMap(model => Object.keys(model.items)))];
const first = id => group().models.map(model => model.items[id]).find(item => item);
const show = () => {
  const box = get('item');
  box.replaceChildren();
  get('place').textContent = ids.length ? `${place + 1} of ${ids.length}: ${ids[place]}` : 'none';
  if (!ids.length) return;
  const id = ids[place];
  const turns = Math.max(...group().models.map(model => model.items[id] ? model.items[id].turns.length : 0));
  for (let t = 0; t < turns; ++t) {
    const turn = make('div', 'turn', '');
    const any = first(id).turns[t];
    turn.append(make('pre', 'prompt', any ? any.prompt : ''));
    const columns = make('div', 'columns', '');
    // What is no model's own, a baseline's answer, is shown once.
    const shownTurns = group().models.map(model => model.items[id] && model.items[id].turns[t]).filter(shown => shown);
    const texts = new Set(shownTurns.map(shown => shown.verdict ? null : shown.answer));
    if (t > 0 && texts.size === 1 && !texts.has(null)) {
      const column = make('div', '', '');
      column.append(make('pre', '', [...texts][0]));
      columns.append(column);
      turn.append(columns);
      box.append(turn);
      continue;
    }
    for (const model of group().models) {
      const item = model.items[id], shown = item && item.turns[t];
      const column = make('div', '', '');
      column.append(make('strong', '', model.name + (item && item.score !== null ? ` · ${+item.score.toFixed(4)}` : '')));
      column.append(make('pre', '', shown ? shown.answer : 'no answer'));
      if (shown && shown.verdict) column.append(make('pre', 'verdict', shown.verdict));
      columns.append(column);
    }
    turn.append(columns);
    box.append(turn);
  }
};
const choose = () => {
  const category = get('category').value, differing = get('differing').checked;
  ids = all().filter(id => (!category || first(id).category === category) && (!differing || new Set(scores(id)).size > 1));
  place = 0;
  show();
};
const enter = () => {
  const names = [...new Set(all().map(id => first(id).category))];
  get('category').replaceChildren(new Option('all', ''), ...names.filter(name => name).map(name => new Option(name, name)));
  choose();
};
const step = by => {
  if (ids.length) place = (place + by + ids.length) % ids.length;
  show();
};
if (groups.length) {
  groups.forEach((each, i) => get('group').append(new Option(each.title, i)));
  get('group').onchange = enter;
  get('category').onchange = get('differing').onchange = choose;
  get('previous').onclick = () => step(-1);
  get('next').onclick = () => step(1);
  document.onkeydown = event => {
    if (event.target.tagName === 'SELECT') return;
    if (event.key === 'ArrowRight') step(1);
    if (event.key === 'ArrowLeft') step(-1);
  };
  enter();
}
)js";

}  // namespace poro::report
