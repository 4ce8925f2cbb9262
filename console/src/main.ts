import { createApp } from "vue";
import App from "./App.vue";
import { startClock } from "./clock";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import "./theme";
import { loadSite } from "./live";

startClock();
// The login page already wants the site's name and, in the demo, its users; without a service it says so itself.
await loadSite().catch(() => undefined);
createApp(App).mount("#app");
