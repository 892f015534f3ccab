// The photos found, as a list of buttons; and one of them large.

const score = (value) => value.toFixed(2);

export class Results {
  #list;
  #hits = [];

  constructor(list, viewer) {
    this.#list = list;
    this.viewer = viewer;
  }

  /** Shows hits; a photo that stays where it is keeps its element, and the focus. */
  show(hits) {
    this.#hits = hits;
    hits.forEach((hit, place) => {
      const item = this.#list.children[place] ?? this.#list.appendChild(this.#item(place));
      fill(item.firstElementChild, hit);
    });
    while (this.#list.children.length > hits.length) this.#list.lastElementChild.remove();
    this.old(false);
  }

  /** Marks the photos as those of an older sketch. */
  old(is) { this.#list.classList.toggle("old", is); }

  #item(place) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "photo";
    const image = document.createElement("img");
    image.alt = "";
    image.decoding = "async";
    image.addEventListener("error", () => button.classList.add("gone"));
    image.addEventListener("load", () => button.classList.remove("gone"));
    const rank = Object.assign(document.createElement("span"), { className: "rank" });
    const points = Object.assign(document.createElement("span"), { className: "score" });
    button.append(image, rank, points);
    button.addEventListener("click", () => this.viewer.open(this.#hits, place));
    item.append(button);
    return item;
  }
}

function fill(button, hit) {
  const [image, rank, points] = button.children;
  if (image.getAttribute("src") !== hit.thumbnail) image.src = hit.thumbnail;
  rank.textContent = hit.rank;
  points.textContent = score(hit.score);
  button.title = hit.id;
  button.setAttribute("aria-label", `${hit.rank}: ${hit.id}, score ${score(hit.score)}. Show large`);
}

export class Viewer {
  #dialog;
  #part;
  #hits = [];
  #place = 0;

  constructor(dialog, part) {
    this.#dialog = dialog;
    this.#part = part;
    part("viewer-close").addEventListener("click", () => dialog.close());
    part("viewer-back").addEventListener("click", () => this.#go(-1));
    part("viewer-on").addEventListener("click", () => this.#go(1));
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.#go(-1);
      if (event.key === "ArrowRight") this.#go(1);
    });
    dialog.addEventListener("close", () => part("viewer-picture").removeAttribute("src"));
  }

  open(hits, place) {
    this.#hits = hits;
    this.#place = place;
    this.#show();
    this.#dialog.showModal();
  }

  /** Shows one picture by itself. */
  show(url, name) {
    this.#hits = [{ photo: url, id: name }];
    this.#place = 0;
    this.#show();
    this.#dialog.showModal();
  }

  #go(step) {
    this.#place = Math.min(Math.max(this.#place + step, 0), this.#hits.length - 1);
    this.#show();
  }

  #show() {
    const hit = this.#hits[this.#place];
    const picture = this.#part("viewer-picture");
    picture.src = hit.photo;
    picture.alt = hit.id;
    this.#part("viewer-name").textContent = hit.rank ? `${hit.rank}. ${hit.id} · score ${score(hit.score)}` : hit.id;
    this.#part("viewer-back").disabled = this.#place === 0;
    this.#part("viewer-on").disabled = this.#place === this.#hits.length - 1;
  }
}
