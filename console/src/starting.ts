// Whether the dialog that starts a plan by hand is open, and what it already knows.
import { ref } from "vue";

export const starting = ref<{ equipment: string } | null>(null);
