/** How long the board takes to show another part of itself; at once for those who want no motion. */
export function calmly(): { duration: number } {
  return { duration: matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 200 }
}
