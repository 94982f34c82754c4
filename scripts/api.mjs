// The functions in docs/api.md: their comments and signatures, from src/library/library.ts, under the names by which src/index.ts gives
// them out.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const parse = (root, path) =>
  ts.createSourceFile(path, readFileSync(join(root, path), "utf8"), ts.ScriptTarget.Latest, true);

/** Text of a comment without its frame, as Markdown. */
function commentOf(node) {
  const [doc] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  if (doc === undefined) return "";
  const plain = (comment) => ts.getTextOfJSDocComment(comment)?.replace(/\{@link (\w+)\}/g, "`$1`") ?? "";
  const tags = (doc.tags ?? []).map((tag) => {
    const name = ts.isJSDocParameterTag(tag) ? `\`${tag.name.getText()}\`: ` : `*${tag.tagName.text}* `;
    return `- ${name}${plain(tag.comment).replace(/\s+/g, " ")}`;
  });
  return [plain(doc.comment).replace(/\s*\n\s*/g, " "), ...(tags.length === 0 ? [] : [tags.join("\n")])].join("\n\n");
}

/** @param root of the checkout */
export function functionsOf(root) {
  const names = new Map();
  for (const statement of parse(root, "src/index.ts").statements) {
    if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier?.getText().includes("library/")) continue;
    for (const { name, propertyName } of statement.exportClause.elements)
      names.set((propertyName ?? name).text, name.text);
  }
  const file = parse(root, "src/library/library.ts");
  const renamed = (text) => text.replace(/\b\w+\b/g, (word) => names.get(word) ?? word);
  const parts = [];
  for (const node of file.statements) {
    const own = node.name?.text;
    if (own === undefined || !names.has(own)) continue;
    const name = names.get(own);
    const start = node.getStart(file);
    const isFunction = ts.isFunctionDeclaration(node);
    const text = file.text
      .slice(start, isFunction ? node.body.pos : node.end)
      .trim()
      .replace(/^export (?:async )?/, "")
      .replace(/^function \w+/, `function ${name}`)
      .replaceAll("DEFAULT_NAME", '"module.ko"');
    parts.push({
      name,
      isFunction,
      part: `### \`${name}\`\n\n${renamed(commentOf(node))}\n\n\`\`\`ts\n${text}\n\`\`\``,
    });
  }
  return [...parts.filter((p) => p.isFunction), ...parts.filter((p) => !p.isFunction)].map((p) => p.part).join("\n\n");
}

/** docs/api.md with that in its place. */
export function apiPage(root) {
  const text = readFileSync(join(root, "docs/api.md"), "utf8");
  return text.replace(
    /(<!-- functions -->\n)[\s\S]*(<!-- \/functions -->)/,
    (_, before, after) => `${before}\n${functionsOf(root)}\n\n${after}`,
  );
}
