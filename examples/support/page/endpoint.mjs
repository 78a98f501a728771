/** The address of an endpoint of the server that the page came from. */
export const endpoint = (path) => new URL(path, location.href.replace(/^http/, "ws"))
