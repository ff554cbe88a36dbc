// The test digits with what the network makes of them.

import { paint } from "./drawing.mjs";

const SHOWN = 40;

export class Digits {
  constructor(list, summary, scans) {
    Object.assign(this, { list, summary, scans, guesses: [], onlyMistakes: false });
  }

  show(guesses) {
    this.guesses = guesses;
    this.draw();
  }

  draw() {
    const mistakes = this.guesses.filter(({ digit, label }) => digit !== label);
    const chosen = (this.onlyMistakes ? mistakes : this.guesses).slice(0, SHOWN);
    while (this.list.children.length > chosen.length) this.list.lastChild.remove();
    while (this.list.children.length < chosen.length) this.list.append(item());
    chosen.forEach((guess, place) => this.fill(this.list.children[place], guess));
    const count = this.guesses.length;
    const limited =
      chosen.length < (this.onlyMistakes ? mistakes.length : count)
        ? `; the first ${chosen.length} are shown`
        : "";
    this.summary.textContent = `${count - mistakes.length} of ${count} are read right${limited}.`;
  }

  fill(element, { row, digit, probability, label }) {
    const [canvas, guess, truth] = element.children;
    if (element.dataset.row !== String(row)) {
      element.dataset.row = row;
      paint(canvas, this.scans.image(row));
      canvas.setAttribute("aria-label", `Scan of ${label}`);
    }
    const wrong = digit !== label;
    element.classList.toggle("wrong", wrong);
    guess.textContent = digit;
    guess.title = `The network reads ${digit} and is ${percent(probability)} sure`;
    truth.textContent = wrong ? `is ${label}` : percent(probability);
  }
}

export const percent = (share) => `${Math.round(share * 100)}%`;

function item() {
  const made = document.createElement("li");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const [guess, truth] = ["guess", "truth"].map((name) =>
    Object.assign(document.createElement("span"), { className: name }),
  );
  made.append(canvas, guess, truth);
  return made;
}
