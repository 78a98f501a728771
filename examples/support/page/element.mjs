/**
 * An element with attributes and content. Strings become text nodes, so that nothing in them is markup.
 *
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {...(string | Node)} content
 */
export const element = (name, attributes, ...content) => {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.append(...content)
  return node
}

/** Has an element read so, and does not touch it if it does. */
export const write = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}
