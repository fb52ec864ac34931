import "../shared/style.css";
import "./style.css";
import { el } from "../shared/dom";
import { installTooltip } from "../shared/tooltip";
import { Playground } from "./playground";

installTooltip();
const place = document.getElementById("page") ?? document.body.appendChild(el("div"));
new Playground(place).start();
