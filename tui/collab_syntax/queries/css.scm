(class_name) @type
(id_name) @label
(color_value) @number
((plain_value) @none (#not-match? @none "^--"))
(pseudo_class_selector (class_name) @attribute)
