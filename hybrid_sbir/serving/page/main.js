// The page: paper, tools and results put together.

import { Asker, ask, isPassing, question } from "/page/asking.js";
import { enter } from "/page/door.js";
import { fitted, showExamples } from "/page/examples.js";
import { Pad } from "/page/pad.js";
import { Results, Viewer } from "/page/results.js";
import { History } from "/page/sketch.js";
import { takeFiles, useKeys } from "/page/hands.js";

const LARGEST = 8 << 20; // bytes of a picture that the server takes

const part = (id) => document.getElementById(id);
const history = new History();
const viewer = new Viewer(part("viewer"), part);
const results = new Results(part("results"), viewer);
const options = () => ({ k: Number(part("count").value), mirror: part("mirror").checked });

const asker = new Asker({
  send: async (sketch) => (await ask(...question("/search", sketch, options()))).json(),
  onAnswer: showAnswer,
  onProblem: showProblem,
});
const explainer = new Asker({
  send: async (sketch) => (await ask(...question("/explain", sketch, options()))).blob(),
  onAnswer: showLooked,
  onProblem: (problem) => { part("looked-caption").textContent = problem.message; },
});

const pad = new Pad(part("pad"), {
  onStroke: (stroke) => history.addStroke(stroke),
  onChange: (stroke) => {
    part("invitation").hidden = true;
    const strokes = history.now.picture ? [] : history.now.strokes;
    asker.soon({ strokes: [...strokes, stroke.map((axis) => [...axis])], picture: null });
  },
});

history.watch((sketch) => {
  pad.show(sketch);
  part("undo").disabled = !history.canUndo;
  part("redo").disabled = !history.canRedo;
  part("clear").disabled = history.empty;
  part("invitation").hidden = !history.empty;
  document.body.classList.toggle("sketched", !history.empty);
  part("pad").setAttribute("aria-label", `Drawing area, ${described(sketch)}`);
  search();
});

function described(sketch) {
  if (sketch.picture) return `with the picture ${sketch.name}`;
  const strokes = sketch.strokes.length;
  if (!strokes) return "empty";
  return `${strokes} ${strokes === 1 ? "stroke" : "strokes"}${sketch.name ? `, example ${sketch.name}` : ""}`;
}

function search() {
  if (history.empty) {
    asker.forget();
    results.show([]);
    part("problem").hidden = true;
    part("nothing").hidden = false;
    part("status").textContent = history.canUndo ? "The paper is empty." : "";
  } else {
    results.old(true);
    asker.now(history.now);
  }
  explain();
}

function showAnswer(answer) {
  part("problem").hidden = true;
  part("nothing").hidden = true;
  results.show(answer.hits);
  const took = Object.values(answer.milliseconds).reduce((sum, value) => sum + value, 0);
  const [best] = answer.hits;
  part("status").textContent = best
    ? `${answer.hits.length} of ${answer.photos.toLocaleString("en")} in ${Math.round(took)} ms; nearest: ${best.id}, ${best.score.toFixed(2)}`
    : "The index holds no photos.";
}

async function showProblem(problem) {
  if (problem.status === 401) {
    await enter(part);
    greet();
    search();
    return;
  }
  part("status").textContent = "";
  if (problem.status >= 400 && problem.status < 500) results.show([]); // this sketch finds nothing, now or later
  say(isPassing(problem) ? `${problem.message} The page asks again by itself.` : problem.message);
}

function say(problem) {
  part("problem").textContent = problem;
  part("problem").hidden = false;
}

function explain() {
  const wanted = part("explain").checked && !history.empty;
  part("looked").hidden = !wanted;
  if (!wanted) return explainer.forget();
  part("looked-caption").textContent = "Looking …";
  part("looked-large").hidden = true;
  return explainer.now(history.now);
}

function showLooked(blob) {
  const picture = part("looked-picture");
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(blob);
  part("looked-large").hidden = false;
  part("looked-caption").textContent = "Where the marked place looks, a row a block of attention: orange adds, blue takes away.";
}

async function greet() {
  try {
    const about = await (await ask("/health")).json();
    part("about").textContent = about.photos === undefined ? "" : `${about.photos.toLocaleString("en")} photos · ${about.index} · model ${about.model}`;
  } catch (problem) { showProblem(problem); }
}

function takePicture(file) {
  part("problem").hidden = true;
  if (file.size > LARGEST) {
    say(`${file.name || "The picture"} has ${Math.ceil(file.size / 2 ** 20)} MiB; take one of at most 8.`);
    return;
  }
  history.replace({ picture: file, name: file.name || "from the clipboard" });
}

part("undo").addEventListener("click", () => history.undo());
part("redo").addEventListener("click", () => history.redo());
part("clear").addEventListener("click", () => history.clear());
part("count").addEventListener("change", search);
part("mirror").addEventListener("change", search);
part("explain").addEventListener("change", explain);
part("looked-large").addEventListener("click", () => viewer.show(part("looked-picture").src, "Where the model looks"));
takeFiles(part, takePicture);
useKeys(history, () => pad.drawing);
showExamples(part("examples"), ({ name, strokes }) => history.replace({ strokes: fitted(strokes, 512, 512), name }));
greet();
