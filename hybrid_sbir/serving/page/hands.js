// Other ways to put a sketch in than drawing it: the file chooser, dropping, pasting; and keys for the tools.

/** Calls take(file) for a picture that is chosen, dropped on the paper or pasted. */
export function takeFiles(part, take) {
  const chooser = part("file");
  const paper = part("paper");
  part("upload").addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    if (chooser.files.length) take(chooser.files[0]);
    chooser.value = "";
  });
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    paper.classList.toggle("dropping", paper.contains(event.target));
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) paper.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    paper.classList.remove("dropping");
    if (!carries(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (file) take(file);
  });
}

/** Ctrl+Z, Ctrl+Y or Ctrl+Shift+Z, and Delete, outside of fields and dialogs and not within a stroke. */
export function useKeys(history, drawing) {
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("dialog, select, input:not([type=checkbox])");
    if (elsewhere || drawing() || event.altKey) return;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (command && key === "z" && !event.shiftKey) history.undo();
    else if (command && (key === "y" || (key === "z" && event.shiftKey))) history.redo();
    else if (!command && (key === "delete" || key === "backspace")) history.clear();
    else return;
    event.preventDefault();
  });
}
