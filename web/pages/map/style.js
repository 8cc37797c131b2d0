// What the gateway was told of a style (CABRANK_MAP_STYLE_URL); empty: nothing.

export const STYLE_URL = document.querySelector('meta[name="map-style"]')?.content ?? "";
