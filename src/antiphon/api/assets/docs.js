"use strict";

// Addresses are relative to the page, so that it also works behind a proxy that puts a prefix before its path.
SwaggerUIBundle({
  dom_id: "#page",
  url: "openapi.json",
  validatorUrl: null, // the default asks another host to validate the document
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
});
