// What a page is asked in the browser, as its user would meet it; each gives a list of faults.
(what) => {
  const faults = [];
  const named = (e) => `<${e.tagName.toLowerCase()} ${e.id || e.getAttribute("class") || ""}> ${e.textContent.trim().replace(/\s+/g, " ").slice(0, 50)}`;
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) &&
    [...e.getClientRects()].some((r) => r.width > 0 && r.height > 0);
  const everything = () => [...document.body.querySelectorAll("*")].filter(shown);
  const sticksOut = (e) => {
    const box = e.getBoundingClientRect();
    return box.right > innerWidth + 1 || box.left < -1;
  };
  const SCROLLS = ["auto", "scroll"];
  const FOCUSABLE = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']";

  // How light a colour is, as WCAG counts it.
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).map((v) => (v <= 10 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };

  const checks = {
    // Nothing is wider than the window but what scrolls by itself, which has a name and can be scrolled by keyboard.
    narrow() {
      if (document.documentElement.scrollWidth > innerWidth) faults.push("the page scrolls sideways");
      for (const e of everything()) {
        const { overflowX } = getComputedStyle(e);
        const isFull = e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0;
        const hasName = e.ariaLabel || e.getAttribute("aria-labelledby");
        if (isFull && SCROLLS.includes(overflowX) && (e.tabIndex < 0 || !hasName))
          faults.push(`scrolls without a name or not by keyboard: ${named(e)}`);
        if (e.closest(".scroll, .chart, svg, .unseen, .skip")) continue;
        if (isFull && ["hidden", "clip"].includes(overflowX)) faults.push(`cut off: ${named(e)}`);
        if (sticksOut(e)) faults.push(`sticks out: ${named(e)}`);
      }
    },

    // Whatever can be acted on comes into view, and nothing lies over it.
    reachable() {
      for (const e of document.querySelectorAll(FOCUSABLE)) {
        if (!shown(e) || e.matches(".skip, .scroll, pre")) continue;
        e.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
        const box = e.getClientRects()[0];
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
        const hit = document.elementFromPoint(x, y);
        if (!hit) faults.push(`out of reach: ${named(e)}`);
        else if (!e.closest("svg") && !e.contains(hit) && !hit.contains(e))
          faults.push(`covered: ${named(e)} by ${named(hit)}`);
      }
      scrollTo(0, 0);
    },

    // Remembers what is on the screen, for what must be on the paper.
    remember() {
      for (const e of document.querySelectorAll("main :is(h1, h2, p, li, th, td, pre, figure, svg, .chart, label:has(:checked))"))
        if (shown(e) && e.textContent.trim() && !e.closest("form, .tools, .pages, .acts, .thumbs, details"))
          e.dataset.seen = "yes";
    },

    // All that was on the screen, none of what can only be clicked, dark on white, within the width.
    paper() {
      if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the paper");
      for (const e of document.querySelectorAll("[data-seen]")) if (!shown(e)) faults.push(`missing: ${named(e)}`);
      for (const e of document.querySelectorAll("nav:not(.path), button, .button, input, select, .stream, .skip"))
        if (shown(e)) faults.push(`of no use: ${named(e)}`);
      for (const e of everything()) {
        const look = getComputedStyle(e);
        const isDrawn = e.closest("svg");
        if ((!isDrawn || e.matches(".main-svg")) && sticksOut(e)) faults.push(`off the paper: ${named(e)}`);
        const isFull = e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1;
        if (isFull && e.clientHeight > 0 && look.overflowY !== "visible" && !e.closest(".unseen, svg, .chart"))
          faults.push(`cut off: ${named(e)}`);
        const ink = isDrawn ? look.fill : look.color;
        const hasWords = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
        if (hasWords && ink.startsWith("rgb") && 1.05 / (luminance(ink) + 0.05) < 4.4)
          faults.push(`too light, ${ink}: ${named(e)}`);
        if (!isDrawn && !look.backgroundColor.endsWith(", 0)") && luminance(look.backgroundColor) < 0.8)
          faults.push(`on a dark ground: ${named(e)}`);
      }
    },

    // Where the keyboard is, and whether that can be seen.
    focus() {
      const e = document.activeElement;
      const box = e.getClientRects()[0];
      const isInView = Boolean(box) && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
      const isRinged = getComputedStyle(e).outlineStyle !== "none";
      if (e !== document.body && !(isInView && isRinged)) faults.push(`focused, but not to be seen: ${named(e)}`);
      return [...document.querySelectorAll(FOCUSABLE)].indexOf(e);
    },

    // What Tab has to come by, in this order.
    stops() {
      return [...document.querySelectorAll(FOCUSABLE)].flatMap((e, i) =>
        e.checkVisibility({ visibilityProperty: true }) && !e.disabled && (e.type !== "radio" || e.checked) ? [i] : []);
    },
  };
  return { answer: checks[what](), faults };
}
