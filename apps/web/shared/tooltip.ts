/** One floating label for all plots. What it says is also the accessible name of the mark, so it is hidden from readers. */
import { el } from "./dom";

const MARGIN = 8;
const tip = el("div", { class: "tip", "aria-hidden": true, hidden: true });

export function installTooltip(): void {
  document.body.append(tip);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
  });
  document.addEventListener("scroll", hideTip, { passive: true });
}

/** Shows `text` above `mark`, or below it where there is no room. */
export function showTip(mark: Element, text: string): void {
  tip.textContent = text;
  tip.hidden = false;
  const at = mark.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const maxLeft = document.documentElement.clientWidth - own.width - MARGIN;
  const left = Math.max(MARGIN, Math.min(maxLeft, at.left + at.width / 2 - own.width / 2));
  const above = at.top - own.height - MARGIN;
  tip.style.left = `${left}px`;
  tip.style.top = `${above >= MARGIN ? above : at.bottom + MARGIN}px`;
}

export function hideTip(): void {
  tip.hidden = true;
}
