// In the head and blocking, so that the chosen theme never flashes. Without a choice the system's holds.
{
  const root = document.documentElement
  root.classList.add("js")
  try {
    const theme = localStorage.getItem("theme")
    if (theme) root.dataset.theme = theme
  } catch { /* storage may be forbidden */ }
}
