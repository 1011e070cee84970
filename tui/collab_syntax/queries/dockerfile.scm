(image_name) @type
(image_alias) @namespace
