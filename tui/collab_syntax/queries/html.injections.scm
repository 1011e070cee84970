(script_element (raw_text) @inject.javascript)
(style_element (raw_text) @inject.css)
