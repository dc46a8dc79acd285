// The colours of classes, the same in every view: a class's own, else one that colour-blind eyes can tell from the
// others (after Okabe and Ito, and Tol). The name stands beside it everywhere.

const LIGHT = ["#0072b2", "#d55e00", "#00875f", "#c25a94", "#9a7400", "#332288", "#44a0a0", "#882255", "#7a8b00", "#5b8fd6", "#7d3b1e", "#6f4fb0"];
const DARK = ["#56b4e9", "#e69f00", "#2bd4a4", "#f0a3cc", "#f0e442", "#a797f5", "#7adbcf", "#ff8fa3", "#c3d94e", "#a9c8f5", "#d9a38c", "#da7fd0"];
const OWN = /^#[0-9a-f]{6}$/i;

// So many classes have a colour without having been given one; a legend names no more.
export const LISTED = LIGHT.length;

// The colours of places without classes.
export const palette = (isDark) => (isDark ? DARK : LIGHT);

// The colour of the class at a place of the schema, as #rrggbb; empty when it has none.
export function colourOf({ color }, place, isDark) {
  return OWN.test(color) ? color : palette(isDark)[place] ?? "";
}

// The same for CSS, which knows by itself whether it is dark.
export function cssColourOf(given, place) {
  const [light, dark] = [colourOf(given, place, false), colourOf(given, place, true)];
  return light ? `light-dark(${light}, ${dark})` : "var(--faint)";
}
