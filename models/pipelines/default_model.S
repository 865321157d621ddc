/* The built-in weights file as read-only data; see default_model.h. */
        .section .rodata.retentive_default_model, "a", %progbits
        .balign 64
        .global retentive_default_model_begin
        .hidden retentive_default_model_begin
        .type retentive_default_model_begin, %object
retentive_default_model_begin:
        .incbin RETENTIVE_DEFAULT_MODEL
        .global retentive_default_model_end
        .hidden retentive_default_model_end
        .type retentive_default_model_end, %object
retentive_default_model_end:
        .byte 0
        .size retentive_default_model_begin, retentive_default_model_end - retentive_default_model_begin
        .section .note.GNU-stack, "", %progbits
