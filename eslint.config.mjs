/** What ESLint looks at in the page's modules; types are tsc's. */

/** Modules are joined to one script for the file, which knows this form of imports and exports only. */
const joinable = {
  meta: { messages: {
    import: 'Import by `import { a, b } from "./x.js";`, so that modules can be joined.',
    export: "Export functions, classes and constants where they are declared, so that modules can be joined.",
  } },
  create(context) {
    const named = (specifier) => specifier.type === "ImportSpecifier" && specifier.imported.name === specifier.local.name;
    return {
      ImportDeclaration(node) {
        const text = context.sourceCode.getText(node);
        if (!node.specifiers.length || !node.specifiers.every(named) || !/^import \{[^}]*\} from "\.\.?\/[\w/]+\.js";$/.test(text)) {
          context.report({ node, messageId: "import" });
        }
      },
      ExportNamedDeclaration(node) {
        const declared = node.declaration;
        const one = declared && (declared.type !== "VariableDeclaration"
          || (declared.kind === "const" && declared.declarations.length === 1 && declared.declarations[0].id.type === "Identifier"));
        if (!one) context.report({ node, messageId: "export" });
      },
      ExportDefaultDeclaration(node) { context.report({ node, messageId: "export" }); },
      ExportAllDeclaration(node) { context.report({ node, messageId: "export" }); },
    };
  },
};

const markup = "Names come from other people's files: make elements by h() and s(), and text by textContent.";
const code = "The page's policy allows no code that is made from text.";

const browser = [
  "AbortController", "Blob", "CSS", "CanvasRenderingContext2D", "CustomEvent", "DOMException", "DOMParser", "DataView",
  "DecompressionStream", "Element", "Event", "EventSource", "EventTarget", "File", "FileReader", "FormData", "HTMLCanvasElement",
  "HTMLElement", "Image", "ImageBitmap", "ImageData", "IntersectionObserver", "KeyboardEvent", "MouseEvent", "MutationObserver",
  "Node", "OffscreenCanvas", "Path2D", "PointerEvent", "ReadableStream", "ResizeObserver", "Response", "SVGElement", "TextDecoder",
  "TextEncoder", "URL", "URLSearchParams", "WebSocket", "Worker", "XMLSerializer", "atob", "btoa", "cancelAnimationFrame",
  "clearInterval", "clearTimeout", "console", "createImageBitmap", "crypto", "devicePixelRatio", "document", "fetch",
  "getComputedStyle", "history", "localStorage", "location", "matchMedia", "navigator", "performance", "queueMicrotask",
  "requestAnimationFrame", "sessionStorage", "setInterval", "setTimeout", "structuredClone", "window",
];

export default [{
  files: ["src/layerscope/interfaces/web/**/*.js"],
  linterOptions: { reportUnusedDisableDirectives: "error" },
  languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: Object.fromEntries(browser.map((name) => [name, "readonly"])) },
  plugins: { layerscope: { rules: { joinable } } },
  rules: {
    "layerscope/joinable": "error",
    "no-undef": "error",
    "no-unused-vars": "error",
    "no-unused-expressions": "error",
    "no-var": "error",
    "prefer-const": ["error", { destructuring: "all" }],
    "no-shadow-restricted-names": "error",
    "no-dupe-keys": "error",
    "no-duplicate-imports": "error",
    "no-unreachable": "error",
    "no-self-compare": "error",
    "no-constant-binary-expression": "error",
    "no-debugger": "error",
    "no-console": "error",
    eqeqeq: "error",
    "no-eval": "error",
    "no-implied-eval": "error",
    "no-new-func": "error",
    "no-script-url": "error",
    "no-restricted-properties": ["error",
      ...["innerHTML", "outerHTML", "insertAdjacentHTML", "setHTMLUnsafe", "createContextualFragment"].map((property) => ({ property, message: markup })),
      { object: "document", property: "write", message: markup },
      { property: "cssText", message: "Styles stand in style.css." },
    ],
    "no-restricted-syntax": ["error", {
      selector: "CallExpression[callee.object.name='document'][callee.property.name='createElement'] > Literal[value='script']", message: code,
    }],
  },
}];
