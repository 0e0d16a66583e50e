// Shows openapi.json to people, and lets them try it.
//
// Whatever stands in the document or in an answer goes into the page as text, never as markup.
"use strict";

const DOCUMENT = new URL("openapi.json", location.href);
const LONGEST_SHOWN = 200_000; // characters of an answer: more would freeze the page

let api;

// --- Making elements ---------------------------------------------------------------------------

function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== ""));
  return element;
}

// Text in which `this` is code.
function prose(text = "") {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? el("code", {}, part) : part));
}

function paragraphs(text) {
  return text ? text.split(/\n\n+/).map((paragraph) => el("p", {}, prose(paragraph))) : [];
}

// --- Reading schemas ---------------------------------------------------------------------------

// The schema itself: references followed, and "or null" left out, since that is the same as absent.
function plain(schema) {
  if (schema.$ref) {
    const { $ref, ...rest } = schema;
    const target = $ref.slice(2).split("/").reduce((node, key) => node[key], api);
    return { ...plain(target), ...rest };
  }
  const kinds = schema.anyOf?.filter((kind) => kind.type !== "null");
  if (kinds?.length !== 1) return schema;
  const { anyOf, ...rest } = schema;
  return { ...plain(kinds[0]), ...rest };
}

function kindOf(schema) {
  const it = plain(schema);
  if ("const" in it) return String(it.const);
  if (it.enum) return "one of";
  if (it.anyOf) return [...new Set(it.anyOf.filter((kind) => kind.type !== "null").map(kindOf))].join(" or ");
  if (it.type === "array") return plain(it.items ?? {}).enum ? "any of" : `list of ${kindOf(it.items ?? {})}`;
  if (it.additionalProperties) return `map of ${kindOf(it.additionalProperties)}`;
  return it.format ?? it.type ?? "anything";
}

function valuesOf(schema) {
  const it = plain(schema);
  if (it.type === "boolean") return ["true", "false"];
  return it.enum ?? (it.items ? valuesOf(it.items) : []);
}

function boundsOf(schema) {
  const { minLength, maxLength, minimum, maximum, pattern, default: fallback } = plain(schema);
  return [
    minimum !== undefined && `at least ${minimum}`,
    maximum !== undefined && `at most ${maximum}`,
    minLength && `at least ${minLength} character${minLength > 1 ? "s" : ""}`,
    maxLength && `at most ${maxLength} characters`,
    pattern && `matches \`${pattern}\``,
    fallback && `default \`${fallback}\``,
  ].filter(Boolean);
}

// The object whose fields are worth showing: the schema, or what its list or map holds.
function fielded(schema) {
  const it = plain(schema);
  if (it.properties) return it;
  const inner = it.items ?? it.additionalProperties;
  return inner ? fielded(inner) : undefined;
}

// --- Showing schemas ---------------------------------------------------------------------------

// Filled when it is opened for the first time: a type may hold others of its own kind.
function folded(summary, fill) {
  const block = el("details", {}, summary);
  block.addEventListener("toggle", () => block.append(...fill()), { once: true });
  return block;
}

function kindNote(schema, required) {
  return [
    el("span", { class: "kind" }, kindOf(schema)),
    required ? el("span", { class: "required" }, "required") : "",
  ];
}

function bounds(schema) {
  const texts = boundsOf(schema);
  return texts.length ? el("p", { class: "bounds" }, prose(texts.join(", "))) : "";
}

function choices(schema) {
  const values = plain(schema).type === "boolean" ? [] : valuesOf(schema);
  return values.length ? el("p", { class: "choices" }, values.map((value) => el("code", {}, value))) : "";
}

function fieldList(object) {
  const required = new Set(object.required);
  return el("ul", { class: "fields" }, Object.entries(object.properties).map(
    ([name, schema]) => el("li", {}, field(name, schema, required.has(name)))));
}

function field(name, schema, required) {
  const head = [el("code", { class: "name" }, name), kindNote(schema, required)].flat();
  // Words on a type are a heading for its fields; on a field they say what it is for.
  const words = [...paragraphs(schema.description), choices(schema), bounds(schema)];
  const inner = fielded(schema);
  if (!inner) return [...head, ...words];
  return [folded(el("summary", {}, head), () => [...words, ...typeNote(schema, inner), fieldList(inner)])];
}

function typeNote(schema, inner) {
  return inner.description && inner.description !== schema.description ? paragraphs(inner.description) : [];
}

// --- Making requests ---------------------------------------------------------------------------

// What a form asks for, as fetch and curl need it. Fields left empty are not sent.
function readRequest(form, operation) {
  const inputs = [...form.querySelectorAll("[data-place]")];
  const given = (place) => inputs
    .filter((input) => input.dataset.place === place)
    .flatMap((input) => chosen(input).map((value) => [input.name, value]));
  const values = Object.fromEntries(given("path"));
  const path = operation.path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(values[name] ?? ""));
  // Beside the document, and so behind the same proxy, with the path that it may have added.
  const url = new URL(path.slice(1), DOCUMENT);
  url.search = new URLSearchParams(given("query"));
  const headers = Object.fromEntries(given("header"));
  const body = form.querySelector("textarea");
  if (body) headers["Content-Type"] = body.dataset.type;
  return { method: operation.method, url: url.href, headers, body: body?.value };
}

function chosen(input) {
  const values = input.multiple ? [...input.selectedOptions].map((option) => option.value) : [input.value];
  return values.filter((value) => value !== "");
}

function token() {
  return document.getElementById("token").value.trim();
}

function asCurl({ method, url, headers, body }, needsToken) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl ${method === "GET" ? "" : `-X ${method} `}${quote(url)}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quote(`${name}: ${value}`)}`);
  // The token itself would end up in histories and screenshots.
  if (needsToken || token()) lines.push('-H "Authorization: Bearer $NEXUS_TOKEN"');
  if (body !== undefined) lines.push(`--data-raw ${quote(body)}`);
  return lines.join(" \\\n  ");
}

async function send({ method, url, headers, body }) {
  const authorization = token() ? { Authorization: `Bearer ${token()}` } : {};
  const began = performance.now();
  const answer = await fetch(url, { method, headers: { ...headers, ...authorization }, body, cache: "no-store" });
  const text = await answer.text();
  return { answer, text, took: Math.round(performance.now() - began) };
}

function readable(text, contentType) {
  if (text.length > LONGEST_SHOWN) return `${text.slice(0, LONGEST_SHOWN)}\n… ${text.length} characters in all`;
  try {
    return /json/.test(contentType) ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text; // Says it is JSON and is not: shown as it came.
  }
}

function showAnswer({ answer, text, took }) {
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return [
    el("p", {}, statusBadge(answer.status), ` ${answer.statusText}, after ${took} ms`,
      answer.redirected ? `, from ${answer.url}` : ""),
    el("pre", { class: "headers", tabindex: 0, "aria-label": "Headers" }, headers),
    text ? el("pre", { tabindex: 0, "aria-label": "Body" }, readable(text, answer.headers.get("content-type")))
      : el("p", { class: "note" }, "No body."),
  ];
}

// --- Showing operations ------------------------------------------------------------------------

function statusBadge(status) {
  return el("span", { class: `status s${String(status)[0]}` }, String(status));
}

function inputFor(parameter, id) {
  const { name, in: place, required, schema, example } = parameter;
  const attributes = { id, name, required, "data-place": place };
  const values = valuesOf(schema);
  if (!values.length) {
    // Only what stands in the path is filled in: an optional value is the reader's to choose.
    const text = example === undefined ? {} : { [place === "path" ? "value" : "placeholder"]: String(example) };
    return el("input", { ...attributes, ...text, spellcheck: "false", autocomplete: "off" });
  }
  const many = plain(schema).type === "array";
  const options = many ? values : ["", ...values];
  return el("select", { ...attributes, multiple: many, size: many ? 4 : undefined },
    options.map((value) => el("option", { value }, value)));
}

function parameterRows(operation) {
  return operation.parameters.map((parameter) => {
    const id = `${operation.operationId}-${parameter.name}`;
    return el("div", { class: "parameter" },
      el("div", {},
        el("label", { for: id }, el("code", { class: "name" }, parameter.name)),
        kindNote(parameter.schema, parameter.required),
        parameter.in === "header" ? el("span", { class: "kind" }, "header") : "",
        el("p", {}, prose(parameter.description)), bounds(parameter.schema)),
      inputFor(parameter, id));
  });
}

function bodySection(operation) {
  if (!operation.requestBody) return [];
  const [[type, media]] = Object.entries(operation.requestBody.content);
  const inner = media.schema && fielded(media.schema);
  const text = media.example === undefined ? "" : JSON.stringify(media.example, null, 2);
  const id = `${operation.operationId}-body`;
  return [
    el("h4", {}, el("label", { for: id }, "Body"), " ", el("span", { class: "kind" }, type)),
    inner ? [...paragraphs(inner.description), fieldList(inner)] : [],
    el("textarea", { id, "data-type": type, spellcheck: "false", rows: Math.max(3, text.split("\n").length) }, text),
  ].flat();
}

function answerRow([status, answer]) {
  const [type, media] = Object.entries(answer.content ?? {})[0] ?? [];
  const headers = Object.keys(answer.headers ?? {});
  const head = [
    statusBadge(status),
    el("span", { class: "words" }, prose(answer.description)),
    type ? el("span", { class: "kind" }, type) : "",
    headers.map((name) => el("code", { class: "kind" }, name)),
  ].flat();
  const inner = media?.schema && fielded(media.schema);
  if (!inner) return el("li", {}, el("div", { class: "answer" }, head));
  const kind = kindOf(media.schema);
  const note = kind === "object" ? [] : [el("p", { class: "note" }, kind)];
  return el("li", {}, folded(el("summary", { class: "answer" }, head),
    () => [...note, ...paragraphs(inner.description), fieldList(inner)]));
}

function copyButton(source) {
  const button = el("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    } catch {
      getSelection().selectAllChildren(source); // No clipboard without HTTPS: ready for Ctrl-C.
    }
  });
  return button;
}

// The form is the one source of what is sent and of the curl line.
function requestForm(operation) {
  const curl = el("pre", { class: "curl", tabindex: 0, "aria-label": "As a curl command" });
  const button = el("button", { type: "submit" }, "Send");
  const answer = el("div", { class: "result", "aria-live": "polite" });
  const form = el("form", {},
    operation.parameters.length ? el("h4", {}, "Parameters") : "", parameterRows(operation),
    bodySection(operation),
    el("h4", {}, "Request"),
    el("div", { class: "line" }, curl, copyButton(curl)), button, answer);
  const needsToken = operation.security.length > 0 && operation.security.every((way) => "bearer" in way);
  const refresh = () => { curl.textContent = asCurl(readRequest(form, operation), needsToken); };
  form.addEventListener("input", refresh);
  document.getElementById("token").addEventListener("input", refresh);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    answer.replaceChildren(el("p", { class: "note" }, "Waiting for the answer …"));
    try {
      answer.replaceChildren(...showAnswer(await send(readRequest(form, operation))));
    } catch (error) {
      answer.replaceChildren(el("p", { class: "note" },
        `No answer that this page may read (${error.message}): the service is away, or it led to another place.`));
    } finally {
      button.disabled = false;
    }
  });
  refresh();
  return form;
}

function operationBlock(operation) {
  // Long paths break after a slash.
  const path = operation.path.split(/(?<=\/)|(?=\/)/)
    .flatMap((part) => (part === "/" ? ["/", el("wbr")] : part.startsWith("{") ? el("span", {}, part) : part));
  return el("details", { class: "operation", id: operation.operationId },
    el("summary", {}, el("h3", {},
      el("span", { class: `method ${operation.method.toLowerCase()}` }, operation.method),
      el("code", { class: "path" }, path),
      el("span", { class: "words" }, operation.summary))),
    el("div", { class: "inside" },
      paragraphs(operation.description),
      requestForm(operation),
      el("h4", {}, "Answers"),
      el("ul", { class: "answers" }, Object.entries(operation.responses).map(answerRow))));
}

function sectionId(tag) {
  return `section-${tag.name.toLowerCase().replace(/\W+/g, "-")}`;
}

function section(tag, operations) {
  return el("section", { id: sectionId(tag) },
    el("h2", {}, tag.name), paragraphs(tag.description), operations.map(operationBlock));
}

function contents(tag, operations) {
  return el("div", {}, el("a", { href: `#${sectionId(tag)}` }, tag.name),
    el("ul", {}, operations.map(({ operationId, summary }) =>
      el("li", {}, el("a", { href: `#${operationId}` }, summary)))));
}

// --- The page ----------------------------------------------------------------------------------

function operationsOf(tag) {
  return Object.entries(api.paths)
    .flatMap(([path, methods]) => Object.entries(methods)
      .map(([method, operation]) => ({ parameters: [], ...operation, path, method: method.toUpperCase() })))
    .filter((operation) => operation.tags.includes(tag.name));
}

// A link to an operation opens it.
function openLinked() {
  const target = document.getElementById(location.hash.slice(1));
  target?.scrollIntoView();
  if (target?.tagName !== "DETAILS") return;
  target.open = true;
  target.querySelector("summary").focus({ preventScroll: true });
}

function show() {
  document.title = api.info.title;
  document.getElementById("title").textContent = api.info.title;
  document.getElementById("version").textContent = `Version ${api.info.version}, ${api.info.license.identifier}.`;
  const tags = api.tags.map((tag) => [tag, operationsOf(tag)]);
  document.getElementById("contents").replaceChildren(...tags.map(([tag, ops]) => contents(tag, ops)));
  document.getElementById("operations").replaceChildren(...tags.map(([tag, ops]) => section(tag, ops)));
  addEventListener("hashchange", openLinked);
  openLinked();
}

async function start() {
  try {
    const answer = await fetch(DOCUMENT);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    api = await answer.json();
    show();
  } catch (error) {
    document.getElementById("status").textContent = `openapi.json can't be read: ${error.message}.`;
    throw error;
  }
}

start();
