// A button that copies what a field holds; where the browser does not let it, the field is selected for Ctrl+C.
for (const button of document.querySelectorAll("[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    field.addEventListener("focus", () => field.select());
    button.addEventListener("click", async () => {
        field.focus();
        field.select();
        try {
            await navigator.clipboard.writeText(field.value);
        } catch {
            if (!document.execCommand("copy")) return;
        }
        button.textContent = button.dataset.done;
    });
}
