// Unfold hides the page until Alpine has started; a browser that draws before then finds nothing to focus and forgets
// autofocus. Who has begun somewhere else is left there.
document.addEventListener("alpine:initialized", () => setTimeout(() => {
  if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();
}));
